//! Asking a supervisor: one request, one answer, one connection.

use std::io::{Error as IoError, ErrorKind};
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::protocol::{Answer, Envelope, Request, VersionOnly, version};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// Nobody listens; nothing was asked.
    #[error("no supervisor runs")]
    Absent,
    /// It went away while being asked: it may have acted.
    #[error("the supervisor went away without an answer")]
    Lost,
    /// It did not answer in time: it may have acted.
    #[error("the supervisor gave no answer in {} s", .0.as_secs())]
    Late(Duration),
    /// It speaks another version.
    #[error("the supervisor speaks version {speaks}, not {}", version())]
    Version {
        /// Its version.
        speaks: u32,
    },
    /// It answered something unheard of.
    #[error("the answer of the supervisor cannot be understood: {0}")]
    Garbled(String),
    /// The socket cannot be used.
    #[error("the supervisor's socket cannot be used")]
    Io(#[source] IoError),
}

/// Asks the supervisor behind `socket`.
pub(crate) async fn call(socket: &Path, request: &Request, patience: Duration) -> Result<Answer, CallError> {
    timeout(patience, ask(socket, request)).await.unwrap_or(Err(CallError::Late(patience)))
}

async fn ask(socket: &Path, request: &Request) -> Result<Answer, CallError> {
    let mut stream = match UnixStream::connect(socket).await {
        Ok(stream) => stream,
        Err(error) if is_absence(&error) => return Err(CallError::Absent),
        Err(error) => return Err(CallError::Io(error)),
    };
    let mut text = serde_json::to_vec(&Envelope { v: version(), body: request }).expect("plain data");
    text.push(b'\n');
    stream.write_all(&text).await.map_err(|_| CallError::Lost)?;
    let mut line = String::new();
    let read = BufReader::new(stream).read_line(&mut line).await;
    if !matches!(read, Ok(1..)) || !line.ends_with('\n') {
        return Err(CallError::Lost);
    }
    understand(&line)
}

/// Nobody is there: no socket, nobody listening any more, or (a reset) one who dies at this moment.
fn is_absence(error: &IoError) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset)
}

fn understand(line: &str) -> Result<Answer, CallError> {
    let garbled = |error: serde_json::Error| CallError::Garbled(error.to_string());
    let answered: VersionOnly = serde_json::from_str(line).map_err(garbled)?;
    if answered.v != version() {
        return Err(CallError::Version { speaks: answered.v });
    }
    let envelope: Envelope<Answer> = serde_json::from_str(line).map_err(garbled)?;
    match envelope.body {
        Answer::Version { speaks } => Err(CallError::Version { speaks }),
        answer => Ok(answer),
    }
}
