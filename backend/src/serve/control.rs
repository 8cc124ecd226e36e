//! The private control socket: one JSON object per line, one answer line each, version 1. Here the
//! supervisor asks how the release is, lets it serve, drains it, and takes the public socket back.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Interest};
use tokio::net::{UnixListener, UnixStream};

use crate::lifecycle::Stage;
use crate::state::AppState;

/// The one version spoken here.
const VERSION: u32 = 1;
/// Longest request line.
const LONGEST_LINE: u64 = 4096;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    v: u32,
    cmd: Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Command {
    Status,
    Serve,
    Drain,
    Give,
}

#[derive(Debug, Serialize)]
struct Status<'a> {
    v: u32,
    ok: bool,
    state: &'static str,
    release: &'a str,
    pid: u32,
    version: &'static str,
}

#[derive(Debug, Serialize)]
struct Refusal<'a> {
    v: u32,
    ok: bool,
    error: &'a str,
}

/// Answers on the control socket.
#[derive(Debug, Clone)]
pub(super) struct Control {
    state: AppState,
    /// A copy of the public socket for `give`; nobody accepts on it here.
    public: Arc<TcpListener>,
}

impl Control {
    pub(super) fn new(state: AppState, public: TcpListener) -> Self {
        Self { state, public: Arc::new(public) }
    }

    /// Answers everybody who can open the socket: its directory decides who that is.
    pub(super) async fn listen(self, listener: UnixListener) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    tokio::spawn(self.clone().converse(stream));
                }
                Err(error) => {
                    tracing::warn!(%error, "the control socket gives no connection");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            }
        }
    }

    async fn converse(self, stream: UnixStream) {
        let mut stream = BufReader::new(stream);
        loop {
            let mut line = String::new();
            let read = (&mut stream).take(LONGEST_LINE).read_line(&mut line).await;
            if !matches!(read, Ok(1..)) {
                return;
            }
            let (answer, gives) = self.answer(&line);
            let fd = gives.then(|| self.public.as_fd());
            if let Err(error) = send(stream.get_mut(), &answer, fd).await {
                tracing::warn!(%error, "a control answer was not taken");
                return;
            }
        }
    }

    /// The answer line, and whether the public socket goes with it.
    fn answer(&self, line: &str) -> (String, bool) {
        let command = match serde_json::from_str::<Request>(line) {
            Ok(Request { v: VERSION, cmd }) => cmd,
            Ok(Request { v, .. }) => {
                return refuse(&format!("version {v} is not spoken here, only {VERSION}"));
            }
            Err(error) => return refuse(&format!("the request cannot be understood: {error}")),
        };
        let lifecycle = self.state.lifecycle();
        match command {
            Command::Serve if !lifecycle.advance(Stage::Serving) && lifecycle.stage() != Stage::Serving => {
                return refuse("the release drains and cannot serve again");
            }
            Command::Drain => {
                lifecycle.advance(Stage::Draining);
            }
            Command::Status | Command::Serve | Command::Give => {}
        }
        if command != Command::Status {
            tracing::info!(?command, stage = lifecycle.stage().name(), "commanded");
        }
        (self.status(), command == Command::Give)
    }

    fn status(&self) -> String {
        line(&Status {
            v: VERSION,
            ok: true,
            state: self.state.lifecycle().stage().name(),
            release: &self.state.settings().release,
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION"),
        })
    }
}

fn refuse(error: &str) -> (String, bool) {
    (line(&Refusal { v: VERSION, ok: false, error }), false)
}

fn line(answer: &impl Serialize) -> String {
    let mut line = serde_json::to_string(answer).expect("plain fields always serialise");
    line.push('\n');
    line
}

/// Sends a line, with a file descriptor on its first byte when there is one.
async fn send(stream: &mut UnixStream, line: &str, fd: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let Some(fd) = fd else { return stream.write_all(line.as_bytes()).await };
    let sent = loop {
        stream.writable().await?;
        let result = stream.try_io(Interest::WRITABLE, || send_with(stream, line, fd));
        match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            other => break other?,
        }
    };
    stream.write_all(&line.as_bytes()[sent..]).await
}

fn send_with(stream: &UnixStream, line: &str, fd: BorrowedFd<'_>) -> io::Result<usize> {
    let fds = [fd];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !ancillary.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(io::Error::other("no space for a file descriptor"));
    }
    let sent = sendmsg(stream, &[IoSlice::new(line.as_bytes())], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(sent)
}
