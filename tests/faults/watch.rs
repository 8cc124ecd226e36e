//! Somebody who asks all the time whether the release answers; the question needs no database.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// The pause between two questions.
const PAUSE: Duration = Duration::from_millis(20);

/// One who asks, until told to stop.
pub(super) struct Watch {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Seen>,
}

/// What was answered.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Releases that answered.
    pub(super) releases: BTreeSet<String>,
    /// Questions without a right answer.
    pub(super) failures: Vec<String>,
}

impl Watch {
    /// Begins to ask a port of this machine.
    pub(super) fn start(port: u16) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let flag = over.clone();
        let thread = std::thread::spawn(move || {
            let mut seen = Seen::default();
            while !flag.load(Ordering::SeqCst) {
                match ask(port) {
                    Ok(release) => drop(seen.releases.insert(release)),
                    Err(failure) => seen.failures.push(failure),
                }
                std::thread::sleep(PAUSE);
            }
            seen
        });
        Self { over, thread }
    }

    /// Ends it and tells what was seen.
    pub(super) fn stop(self) -> Seen {
        self.over.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

/// The release that answers.
fn ask(port: u16) -> Result<String, String> {
    let said = |error: std::io::Error| error.to_string();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).map_err(said)?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).map_err(said)?;
    let request = "GET /health/live HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).map_err(said)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(said)?;
    let release = answer.lines().find_map(|line| line.strip_prefix("x-crm-release: "));
    match (answer.starts_with("HTTP/1.1 200"), release) {
        (true, Some(release)) => Ok(release.trim().to_owned()),
        _ => Err(format!("answered: {answer}")),
    }
}
