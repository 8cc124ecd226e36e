//! `crm-server healthcheck`: asks a running server whether it is alive, over TCP or its private socket.
//! Liveness, not readiness: an orchestrator restarts what fails this.

use std::path::PathBuf;
use std::time::Duration;

use axum::body::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, StatusCode, client, header};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use url::Url;

use super::{Failure, block_on, print};

/// Longest wait for the answer.
const LIMIT: Duration = Duration::from_secs(3);
/// Largest answer that is read.
const LARGEST: usize = 64 * 1024;
/// What is asked.
const PATH: &str = "/health/live";

/// What was typed.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Address of the server, http only [default: BIND, else 127.0.0.1:8000]
    #[arg(long, conflicts_with = "socket")]
    url: Option<Url>,
    /// Unix socket of the server
    #[arg(long)]
    socket: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Asks; fails when there is no good answer.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let asked = block_on(async { tokio::time::timeout(LIMIT, ask(arguments)).await })?;
    let answer = asked.unwrap_or_else(|_| Err(format!("no answer within {} s", LIMIT.as_secs())));
    if arguments.json {
        let report = answer.clone().unwrap_or_else(|problem| json!({"status": "away", "problem": problem}));
        print(&report.to_string())?;
    }
    let hint = Some("look at the log of the server".to_owned());
    answer.map(|_| ()).map_err(|problem| Failure { message: problem, hint })
}

async fn ask(arguments: &Arguments) -> Result<Value, String> {
    if let Some(path) = &arguments.socket {
        let stream = UnixStream::connect(path).await;
        let stream = stream.map_err(|error| format!("`{}`: {error}", path.display()))?;
        return exchange(stream, "localhost").await;
    }
    let address = match &arguments.url {
        Some(url) => address_of(url)?,
        None => std::env::var("BIND").unwrap_or_else(|_| "127.0.0.1:8000".to_owned()),
    };
    // A server that listens everywhere is asked here.
    let address = address.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:");
    let stream = TcpStream::connect(&address).await.map_err(|error| format!("`{address}`: {error}"))?;
    exchange(stream, &address).await
}

fn address_of(url: &Url) -> Result<String, String> {
    match (url.scheme(), url.host_str()) {
        ("http", Some(host)) => Ok(format!("{host}:{}", url.port().unwrap_or(80))),
        _ => Err(format!("`{url}` is no http address")),
    }
}

async fn exchange<S>(stream: S, host: &str) -> Result<Value, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let shaken = client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    let request = Request::get(PATH).header(header::HOST, host).body(Empty::<Bytes>::new());
    let request = request.map_err(|error| error.to_string())?;
    let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let status = response.status();
    let body = Limited::new(response.into_body(), LARGEST).collect().await;
    let body = body.map_err(|error| error.to_string())?.to_bytes();
    if status != StatusCode::OK {
        return Err(format!("`{PATH}` answered {status}"));
    }
    serde_json::from_slice(&body).map_err(|error| format!("`{PATH}` gave no JSON: {error}"))
}
