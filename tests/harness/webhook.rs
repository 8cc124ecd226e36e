//! A chat's server for one story: answers as it is told to, remembers what it was sent.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

/// How to answer a request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// With a status line and headers.
    Status(&'static str),
    /// With a redirect to this address.
    Redirect(String),
    /// Not at all, as long as the server lives.
    Never,
}

/// The server. The last answer is repeated.
pub(crate) struct Chat {
    address: SocketAddr,
    answers: Arc<Mutex<VecDeque<Answer>>>,
    received: Arc<Mutex<Vec<Value>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Chat {
    pub(crate) fn answering(answers: &[Answer]) -> Self {
        Self::on("127.0.0.1:0", answers)
    }

    pub(crate) fn on(address: &str, answers: &[Answer]) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let mut chat = Self {
            address: listener.local_addr().unwrap(),
            answers: Arc::new(Mutex::new(answers.iter().cloned().collect())),
            received: Arc::default(),
            over: Arc::default(),
            thread: None,
        };
        let (answers, received, over) = (chat.answers.clone(), chat.received.clone(), chat.over.clone());
        chat.thread = Some(std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let (answers, received, over) = (answers.clone(), received.clone(), over.clone());
                std::thread::spawn(move || serve(stream, &answers, &received, &over));
            }
        }));
        chat
    }

    /// Its address, with a secret in it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/services/T000/B000/s3cr3t-hook", self.address)
    }

    /// What it was sent so far.
    pub(crate) fn received(&self) -> Vec<Value> {
        self.received.lock().unwrap().clone()
    }

    /// First lines of what it was sent.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.received().iter().map(|message| message["text"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until it was sent `count` messages.
    #[track_caller]
    pub(crate) fn wait_for(&self, count: usize) -> Vec<Value> {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.received().len() < count {
            assert!(Instant::now() < deadline, "{count} messages are expected: {:#?}", self.received());
            std::thread::yield_now();
        }
        self.received()
    }
}

impl Drop for Chat {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(
    stream: TcpStream,
    answers: &Mutex<VecDeque<Answer>>,
    received: &Mutex<Vec<Value>>,
    over: &AtomicBool,
) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(body) = request(&mut reader) {
        let answer = {
            let mut answers = answers.lock().unwrap();
            if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0].clone() }
        };
        received.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
        let head = match answer {
            Answer::Status(line) => line.to_owned(),
            Answer::Redirect(to) => format!("307 Temporary Redirect\r\nlocation: {to}"),
            Answer::Never => {
                while !over.load(Ordering::SeqCst) {
                    std::thread::park_timeout(Duration::from_millis(20));
                }
                return;
            }
        };
        let written = write!(&stream, "HTTP/1.1 {head}\r\ncontent-length: 0\r\n\r\n");
        if written.is_err() {
            return;
        }
    }
}

/// The body of the next request on a connection.
fn request(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(body)
}
