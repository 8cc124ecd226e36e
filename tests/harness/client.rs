//! A client that never retries: keep-alive connections at a fixed rate, GET and POST, every failure counted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;

/// Connections that share the rate.
const CONNECTIONS: u32 = 10;

/// What the requests saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Answers by release id.
    pub(crate) releases: BTreeMap<String, u64>,
    /// Requests that got no answer, or one that is no success.
    pub(crate) failures: Vec<String>,
    /// SHA-256 of the refresh tokens of logins that were answered: what must be in the database.
    pub(crate) logins: Vec<Vec<u8>>,
}

impl Seen {
    /// Answered and failed requests.
    pub(crate) fn total(&self) -> u64 {
        self.releases.values().sum::<u64>() + self.failures.len() as u64
    }
}

/// A load that runs until it is stopped.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Seen>,
}

impl Load {
    /// Starts `rate` requests per second at a port: one in ten is a login.
    pub(crate) fn start(port: u16, rate: u32) -> Self {
        Self::of(port, rate, "/health", Some(10))
    }

    /// The same without what needs a database: on a machine that is busy with something else nothing but the release
    /// itself fails these.
    pub(crate) fn start_light(port: u16, rate: u32) -> Self {
        Self::of(port, rate, "/health/live", None)
    }

    fn of(port: u16, rate: u32, path: &'static str, login_every: Option<u32>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let flag = stop.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(run(port, rate, Asked { path, login_every }, flag))
        });
        Self { stop, thread }
    }

    /// Stops it and tells what it saw.
    pub(crate) fn stop(self) -> Seen {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
struct Asked {
    path: &'static str,
    /// One request in so many is a login.
    login_every: Option<u32>,
}

async fn run(port: u16, rate: u32, asked: Asked, stop: Arc<AtomicBool>) -> Seen {
    let every = Duration::from_secs_f64(f64::from(CONNECTIONS) / f64::from(rate));
    let start = |index| tokio::spawn(connection(port, index, every, asked, stop.clone()));
    let tasks: Vec<_> = (0..CONNECTIONS).map(start).collect();
    let mut all = Seen::default();
    for task in tasks {
        let seen = task.await.unwrap();
        all.failures.extend(seen.failures);
        all.logins.extend(seen.logins);
        for (release, count) in seen.releases {
            *all.releases.entry(release).or_default() += count;
        }
    }
    all
}

async fn connection(port: u16, index: u32, every: Duration, asked: Asked, stop: Arc<AtomicBool>) -> Seen {
    let mut seen = Seen::default();
    let mut open: Option<SendRequest<Full<Bytes>>> = None;
    let start = Instant::now();
    let mut number = 0_u32;
    while !stop.load(Ordering::SeqCst) {
        let due = start + every * number + every * index / CONNECTIONS;
        tokio::time::sleep_until(due.into()).await;
        let login = asked.login_every.is_some_and(|every| (number + index).is_multiple_of(every));
        match one(port, &mut open, asked.path, login).await {
            Ok(answer) => {
                *seen.releases.entry(answer.release).or_default() += 1;
                seen.logins.extend(answer.login);
            }
            Err(failure) => {
                open = None;
                seen.failures.push(format!(
                    "{} at {:?}: {failure}",
                    if login { "POST" } else { "GET" },
                    start.elapsed()
                ));
            }
        }
        number += 1;
    }
    seen
}

/// A success.
struct Answer {
    release: String,
    login: Option<Vec<u8>>,
}

/// One request over the open connection, or a new one after the server has said `Connection: close`.
async fn one(
    port: u16,
    open: &mut Option<SendRequest<Full<Bytes>>>,
    path: &str,
    login: bool,
) -> Result<Answer, String> {
    let mut sender = match open.take() {
        Some(sender) => sender,
        None => {
            let stream =
                TcpStream::connect(("127.0.0.1", port)).await.map_err(|error| format!("connect: {error}"))?;
            let (sender, connection) =
                handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
            tokio::spawn(connection);
            sender
        }
    };
    sender.ready().await.map_err(|error| format!("the connection was closed: {error}"))?;
    let answer =
        sender.send_request(request(path, login)).await.map_err(|error| format!("no answer: {error}"))?;
    let status = answer.status();
    let header =
        |name: &str| answer.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or("").to_owned();
    let (release, close) = (header("x-crm-release"), header("connection") == "close");
    let body = answer.into_body().collect().await.map_err(|error| format!("half an answer: {error}"))?;
    let body = body.to_bytes();
    if !status.is_success() {
        return Err(format!("{status}: {}", String::from_utf8_lossy(&body)));
    }
    if !close {
        *open = Some(sender);
    }
    let login = if login { Some(refresh_token(&body)?) } else { None };
    Ok(Answer { release, login })
}

fn refresh_token(body: &[u8]) -> Result<Vec<u8>, String> {
    let answer: serde_json::Value =
        serde_json::from_slice(body).map_err(|error| format!("a login without JSON: {error}"))?;
    let token = answer["refresh_token"].as_str().ok_or("a login without a refresh token")?;
    Ok(Sha256::digest(token.as_bytes()).to_vec())
}

fn request(path: &str, login: bool) -> Request<Full<Bytes>> {
    let builder = Request::builder().header("host", "127.0.0.1");
    let built = if login {
        let body = r#"{"email":"test@staging.com","password":"test123"}"#;
        let builder =
            builder.method(Method::POST).uri("/auth/login").header("content-type", "application/json");
        builder.body(Full::new(Bytes::from_static(body.as_bytes())))
    } else {
        builder.uri(path).body(Full::default())
    };
    built.unwrap()
}
