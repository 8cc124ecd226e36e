//! Clients that never retry: keep-alive connections with GET and POST, every failure kept. Plain blocking
//! HTTP/1.1, so that nothing hides what the socket does.

use std::collections::BTreeMap;
use std::io::{Error as IoError, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use phases::release::ReleaseId;

use super::machine::until;

/// One answer.
struct Answer {
    status: u16,
    release: String,
    closes: bool,
}

/// What the clients saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Answers by release.
    pub(crate) releases: BTreeMap<String, u64>,
    /// Requests without a good answer.
    pub(crate) failures: Vec<String>,
}

/// Clients at work.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    met: Arc<Mutex<BTreeMap<String, u64>>>,
    clients: Vec<JoinHandle<Seen>>,
}

impl Load {
    /// `clients` connections, each with a request every `period`; one in ten posts a login.
    pub(crate) fn start(address: SocketAddr, clients: u64, period: Duration) -> Self {
        Self::run(address, clients, period, Some(10))
    }

    /// The same without logins, for releases without a database.
    pub(crate) fn start_gets(address: SocketAddr, clients: u64, period: Duration) -> Self {
        Self::run(address, clients, period, None)
    }

    fn run(address: SocketAddr, clients: u64, period: Duration, login_every: Option<u64>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let met = Arc::<Mutex<BTreeMap<String, u64>>>::default();
        let start = |index| {
            let (stop, met) = (Arc::clone(&stop), Arc::clone(&met));
            std::thread::spawn(move || client(address, index, period, login_every, &stop, &met))
        };
        let clients = (0..clients).map(start).collect();
        Self { stop, met, clients }
    }

    /// Waits until `release` has answered the clients `count` times more.
    pub(crate) fn meets(&self, release: &ReleaseId, count: u64) {
        let met = || self.met.lock().unwrap().get(release.as_str()).copied().unwrap_or_default();
        let before = met();
        until("it answers the clients", || met() >= before + count);
    }

    /// Ends the load.
    pub(crate) fn stop(self) -> Seen {
        self.stop.store(true, Ordering::SeqCst);
        let mut all = Seen::default();
        for client in self.clients {
            let seen = client.join().unwrap();
            all.failures.extend(seen.failures);
            for (release, count) in seen.releases {
                *all.releases.entry(release).or_default() += count;
            }
        }
        all
    }
}

fn client(
    address: SocketAddr,
    index: u64,
    period: Duration,
    login_every: Option<u64>,
    stop: &AtomicBool,
    met: &Mutex<BTreeMap<String, u64>>,
) -> Seen {
    let mut seen = Seen::default();
    let mut open: Option<TcpStream> = None;
    let begun = Instant::now();
    let mut number = index;
    while !stop.load(Ordering::SeqCst) {
        let posts = login_every.is_some_and(|every| number.is_multiple_of(every));
        let request = if posts { login() } else { get_request("/health/live") };
        let reused = open.is_some();
        match one(address, &mut open, &request) {
            Ok(answer) if answer.status == 200 => {
                *met.lock().unwrap().entry(answer.release.clone()).or_default() += 1;
                *seen.releases.entry(answer.release).or_default() += 1;
            }
            Ok(answer) => seen.failures.push(format!("{} from {}", answer.status, answer.release)),
            Err(error) => {
                seen.failures.push(format!("{error} after {:?}, reused: {reused}", begun.elapsed()));
                open = None;
            }
        }
        number += 1;
        std::thread::sleep(period);
    }
    seen
}

/// One request over a connection that is kept unless the server closes it politely.
fn one(address: SocketAddr, open: &mut Option<TcpStream>, request: &str) -> Result<Answer, IoError> {
    let mut stream = match open.take() {
        Some(stream) => stream,
        None => {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(Duration::from_secs(10)))?;
            stream
        }
    };
    stream.write_all(request.as_bytes())?;
    let answer = read_answer(&mut stream)?;
    if !answer.closes {
        *open = Some(stream);
    }
    Ok(answer)
}

fn read_answer(stream: &mut TcpStream) -> Result<Answer, IoError> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    };
    let length = header("content-length").ok_or_else(|| IoError::other(format!("no length: {head}")))?;
    let mut body = vec![0; length.parse().map_err(IoError::other)?];
    stream.read_exact(&mut body)?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_default();
    let closes = header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    Ok(Answer { status, release: header("x-crm-release").unwrap_or_default(), closes })
}

fn get_request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: crm\r\n\r\n")
}

fn login() -> String {
    let body = r#"{"email":"test@staging.com","password":"test123"}"#;
    let head = "POST /auth/login HTTP/1.1\r\nhost: crm\r\ncontent-type: application/json\r\n";
    format!("{head}content-length: {}\r\n\r\n{body}", body.len())
}

/// One GET over a new connection: who answered.
pub(crate) fn get(address: SocketAddr, path: &str) -> Result<String, IoError> {
    one(address, &mut None, &get_request(path)).map(|answer| answer.release)
}
