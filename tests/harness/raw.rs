//! A client as plain as its socket: what is sent, and when, is in the hands of the story. Never retries.

use std::io::{Error, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// How long an answer may take before it counts as none.
const PATIENCE: Duration = Duration::from_secs(30);

/// One connection.
pub(crate) struct Connection {
    stream: TcpStream,
}

/// One whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// `x-crm-release`.
    pub(crate) release: String,
    /// It is the last one on this connection.
    pub(crate) closes: bool,
}

impl Connection {
    pub(crate) fn open(port: u16) -> Result<Self, Error> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream })
    }

    /// Puts text on the wire in one piece.
    pub(crate) fn send(&mut self, text: &str) -> Result<(), Error> {
        self.stream.write_all(text.as_bytes())
    }

    /// The next answer, read to its last byte and no further.
    pub(crate) fn answer(&mut self) -> Result<Answer, Error> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            self.stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).to_lowercase();
        let header = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.find(|(found, _)| *found == name).map(|(_, value)| value.to_owned())
        };
        let length = header("content-length").ok_or_else(|| Error::other(format!("no length: {head}")))?;
        let mut body = vec![0; length.parse().map_err(Error::other)?];
        self.stream.read_exact(&mut body)?;
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_default();
        let closes = header("connection").is_some_and(|value| value == "close");
        Ok(Answer { status, release: header("x-crm-release").unwrap_or_default(), closes })
    }

    /// Waits for the server to hang up as it has said: with nothing more, and not by a reset.
    pub(crate) fn ends_politely(mut self) -> Result<(), Error> {
        match self.stream.read(&mut [0])? {
            0 => Ok(()),
            _ => Err(Error::other("more came after the last answer")),
        }
    }
}

/// A request without a body.
pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: crm\r\n\r\n")
}

/// A login, cut in the middle of its body.
pub(crate) fn login() -> (String, String) {
    let body = r#"{"email":"test@staging.com","password":"test123"}"#;
    let head = "POST /auth/login HTTP/1.1\r\nhost: crm\r\ncontent-type: application/json\r\n";
    let (first, second) = body.split_at(body.len() / 2);
    (format!("{head}content-length: {}\r\n\r\n{first}", body.len()), second.to_owned())
}
