//! One GET on one new connection: enough to see who answers.

use std::io::Error as IoError;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

/// Most bytes of a body that are read.
const LONGEST_BODY: usize = 64 * 1024;

/// Who answered, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    /// Header `x-crm-release`.
    pub(crate) release: Option<String>,
    pub(crate) body: String,
}

/// Asks the public address.
pub(crate) async fn get_public(
    address: SocketAddr,
    path: &str,
    patience: Duration,
) -> Result<Answered, IoError> {
    within(patience, async { get(TcpStream::connect(address).await?, path).await }).await
}

/// Asks a private socket.
pub(crate) async fn get_private(socket: &Path, path: &str, patience: Duration) -> Result<Answered, IoError> {
    within(patience, async { get(UnixStream::connect(socket).await?, path).await }).await
}

async fn within(
    patience: Duration,
    answer: impl Future<Output = Result<Answered, IoError>>,
) -> Result<Answered, IoError> {
    timeout(patience, answer).await.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
}

async fn get<S>(stream: S, path: &str) -> Result<Answered, IoError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(IoError::other)?;
    // Ends with the connection, which the request below asks to close.
    tokio::spawn(connection);
    let request = Request::get(path)
        .header("host", "localhost")
        .header("connection", "close")
        .body(Empty::<Bytes>::new())
        .expect("a path of our own");
    let response = sender.send_request(request).await.map_err(IoError::other)?;
    let header = response.headers().get("x-crm-release");
    let release = header.and_then(|value| value.to_str().ok()).map(str::to_owned);
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), LONGEST_BODY).collect().await.map_err(IoError::other)?;
    let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    Ok(Answered { status, release, body })
}
