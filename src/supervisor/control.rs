//! Talking to a release over its private control socket: one JSON line each way, and for `give` the public
//! listener beside the answer.

use std::io::{BufRead, Cursor, Error as IoError, ErrorKind, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde::Deserialize;

/// Longest answer accepted, in bytes.
const LONGEST_ANSWER: usize = 16 * 1024;

/// What a release is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    /// Say how you are.
    Status,
    /// Accept from the public listener.
    Serve,
    /// Stop accepting; end when what is under way is answered.
    Drain,
    /// Hand back the public listener.
    Give,
}

impl Command {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Serve => "serve",
            Self::Drain => "drain",
            Self::Give => "give",
        }
    }
}

/// What a release does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// Not ready to be told anything.
    Starting,
    /// Started, accepts nothing from the public listener.
    Standby,
    /// Accepts from the public listener.
    Serving,
    /// Ends soon.
    Draining,
}

/// What it answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) mode: Mode,
    /// The public listener, after [`Command::Give`].
    pub(crate) listener: Option<OwnedFd>,
}

/// Why it did not answer as it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ControlError {
    #[error("its control socket does not answer ({0})")]
    Silent(#[from] IoError),
    #[error("it refused `{command}`: {error}")]
    Refused { command: &'static str, error: String },
    #[error("its answer to `{command}` cannot be understood: {reason}")]
    Garbled { command: &'static str, reason: String },
}

#[derive(Deserialize)]
struct Line {
    ok: bool,
    state: Option<Mode>,
    error: Option<String>,
}

/// Tells the release behind `socket` something and waits for its answer, `patience` in all.
pub(crate) async fn tell(socket: &Path, command: Command, patience: Duration) -> Result<Reply, ControlError> {
    let socket = PathBuf::from(socket);
    // Blocking calls with a time limit: receiving a descriptor has no place in tokio's streams.
    tokio::task::spawn_blocking(move || exchange(&socket, command, patience))
        .await
        .map_err(|_| IoError::from(ErrorKind::Interrupted))?
}

fn exchange(socket: &Path, command: Command, patience: Duration) -> Result<Reply, ControlError> {
    let deadline = Instant::now() + patience;
    let mut stream = UnixStream::connect(socket)?;
    stream.set_write_timeout(Some(patience))?;
    writeln!(stream, r#"{{"v":1,"cmd":"{}"}}"#, command.as_str())?;
    let mut bytes = Vec::new();
    let mut listener = None;
    while !bytes.contains(&b'\n') && bytes.len() < LONGEST_ANSWER {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(IoError::from(ErrorKind::TimedOut).into());
        }
        stream.set_read_timeout(Some(left))?;
        let (chunk, passed) = receive(&stream)?;
        listener = passed.or(listener);
        if chunk.is_empty() {
            break;
        }
        bytes.extend_from_slice(&chunk);
    }
    understand(&bytes, command, listener)
}

fn receive(stream: &UnixStream) -> Result<(Vec<u8>, Option<OwnedFd>), IoError> {
    let mut bytes = [0; 1024];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received =
        recvmsg(stream, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    let passed = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    Ok((bytes[..received.bytes].to_vec(), passed))
}

fn understand(bytes: &[u8], command: Command, listener: Option<OwnedFd>) -> Result<Reply, ControlError> {
    let command = command.as_str();
    let mut first = Vec::new();
    Cursor::new(bytes).read_until(b'\n', &mut first)?;
    if first.is_empty() {
        return Err(IoError::from(ErrorKind::UnexpectedEof).into());
    }
    let garbled = |reason: String| ControlError::Garbled { command, reason };
    let line: Line = serde_json::from_slice(&first).map_err(|error| garbled(error.to_string()))?;
    if !line.ok {
        let error = line.error.unwrap_or_else(|| "it gave no reason".into());
        return Err(ControlError::Refused { command, error });
    }
    let mode = line.state.ok_or_else(|| garbled("`state` is missing".into()))?;
    if command == Command::Give.as_str() && listener.is_none() {
        return Err(garbled("no listener came with it".into()));
    }
    Ok(Reply { mode, listener })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_understood_or_told_apart() {
        let ok = br#"{"v":1,"ok":true,"state":"serving","release":"x","pid":1}"#;
        assert_eq!(understand(ok, Command::Serve, None).unwrap().mode, Mode::Serving);
        let refused = understand(br#"{"v":1,"ok":false,"error":"no"}"#, Command::Serve, None).unwrap_err();
        assert_eq!(refused.to_string(), "it refused `serve`: no");
        assert!(matches!(understand(b"", Command::Serve, None), Err(ControlError::Silent(_))));
        assert!(matches!(understand(b"{}\n", Command::Serve, None), Err(ControlError::Garbled { .. })));
        assert!(matches!(understand(ok, Command::Give, None), Err(ControlError::Garbled { .. })));
    }

    #[tokio::test]
    async fn silent_release_costs_no_more_than_the_patience() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let begun = Instant::now();
        let error = tell(&path, Command::Status, Duration::from_millis(50)).await.unwrap_err();
        assert!(matches!(error, ControlError::Silent(_)));
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
}
