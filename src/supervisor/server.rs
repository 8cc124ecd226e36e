//! The supervisor's private socket: one request and one answer per connection.

use std::io::Error as IoError;
use std::sync::Arc;
use std::time::Duration;

use serde::de::Error as _;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval_at, timeout};

use super::core::Supervisor;
use super::protocol::{Answer, Envelope, Refusal, Request, VersionOnly, version};

/// Longest request, in bytes.
const LONGEST_REQUEST: u64 = 1024 * 1024;
/// How long a caller may take to say what it wants.
const REQUEST_PATIENCE: Duration = Duration::from_secs(5);
/// How often it looks whether it is needed.
const IDLE_PERIOD: Duration = Duration::from_secs(10);

/// Listens on the private socket; a predecessor's is removed.
pub(super) fn bind(supervisor: &Supervisor) -> Result<UnixListener, IoError> {
    unbind(supervisor);
    UnixListener::bind(supervisor.sockets.supervisor())
}

/// Removes the private socket.
pub(super) fn unbind(supervisor: &Supervisor) {
    let _ = std::fs::remove_file(supervisor.sockets.supervisor());
}

/// Answers until the supervisor closes.
pub(super) async fn run(supervisor: &Arc<Supervisor>, listener: UnixListener) {
    let mut callers = JoinSet::new();
    let mut idle_check = interval_at(Instant::now() + IDLE_PERIOD, IDLE_PERIOD);
    loop {
        tokio::select! {
            _ = idle_check.tick() => {
                // Whoever started it was killed before it could ask for anything.
                if let Ok(_effects) = supervisor.effects.try_lock() {
                    supervisor.close_when_idle();
                }
            }
            () = supervisor.closing.notified() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    callers.spawn(converse(Arc::clone(supervisor), stream));
                }
                Err(error) => tracing::error!(%error, "cannot accept"),
            },
            Some(_) = callers.join_next() => {}
        }
    }
    drop(listener);
    // Whoever is being answered gets its answer.
    let _ = timeout(Duration::from_secs(2), async { while callers.join_next().await.is_some() {} }).await;
}

async fn converse(supervisor: Arc<Supervisor>, stream: UnixStream) {
    let (read, mut write) = stream.into_split();
    let mut line = Vec::new();
    let mut read = BufReader::new(read.take(LONGEST_REQUEST));
    if !matches!(timeout(REQUEST_PATIENCE, read.read_until(b'\n', &mut line)).await, Ok(Ok(1..))) {
        return;
    }
    let Some(body) = answer(&supervisor, &line).await else {
        return;
    };
    let mut text = serde_json::to_vec(&Envelope { v: version(), body }).expect("plain data");
    text.push(b'\n');
    let _ = write.write_all(&text).await;
}

/// The answer to one line; none when the supervisor is closing, so that the caller asks its successor.
async fn answer(supervisor: &Arc<Supervisor>, line: &[u8]) -> Option<Answer> {
    let request = match parse(line) {
        Ok(Ok(request)) => request,
        Ok(Err(version)) => return Some(version),
        Err(error) => {
            tracing::warn!(%error, "a request cannot be understood");
            return None;
        }
    };
    let Some(token) = request.token() else {
        return Some(Answer::State(Box::new(supervisor.state())));
    };
    let _effects = supervisor.effects.lock().await;
    if supervisor.is_closing() {
        return None;
    }
    let result = match supervisor.fence(token) {
        Ok(()) => perform(supervisor, request).await,
        Err(refusal) => Err(refusal),
    };
    supervisor.close_when_idle();
    Some(match result {
        Ok(summary) => Answer::Done { summary },
        Err(refusal) => Answer::Refused(refusal),
    })
}

async fn perform(supervisor: &Arc<Supervisor>, request: Request) -> Result<String, Refusal> {
    match request {
        Request::State | Request::Fence { .. } => Ok("noted".into()),
        Request::Start(start) => supervisor.start(start),
        Request::Switch { to, .. } => supervisor.switch(&to).await,
        Request::Stop { release, .. } => supervisor.stop(&release).await,
        Request::Withdraw { release, .. } => supervisor.withdraw(&release).await,
        Request::Retire { keep, .. } => supervisor.retire(&keep),
        Request::Shutdown { .. } => supervisor.shut_down().await,
    }
}

/// The request, or the answer to one of another version.
fn parse(line: &[u8]) -> Result<Result<Request, Answer>, serde_json::Error> {
    let asked: VersionOnly = serde_json::from_slice(line)?;
    if asked.v != version() {
        return Ok(Err(Answer::Version { speaks: version() }));
    }
    let envelope: Envelope<Request> =
        serde_json::from_slice(line).map_err(|error| serde_json::Error::custom(error.to_string()))?;
    Ok(Ok(envelope.body))
}
