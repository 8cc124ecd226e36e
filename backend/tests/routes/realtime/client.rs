//! The stock client in a process of its own, as `backend/tests/socket-client/client.mjs` runs it.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::serve::process::PATIENCE;

/// How long nothing has to come before it is believed that nothing comes.
const QUIET: Duration = Duration::from_millis(700);

/// One or more sockets of the stock client.
pub(super) struct Client {
    child: Child,
    heard: Receiver<Value>,
    sockets: usize,
}

impl Client {
    /// Connects with `token`.
    pub(super) fn connect(url: &str, token: &str) -> Self {
        Self::with(&json!({ "url": url, "auth": { "token": token } }))
    }

    /// The same with everything the script understands.
    pub(super) fn with(wishes: &Value) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/socket-client/client.mjs");
        assert!(
            script.with_file_name("node_modules").is_dir(),
            "the stock client is not installed; run scripts/setup"
        );
        let mut command = Command::new("node");
        command.arg(script).arg(wishes.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (say, heard) = channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = say.send(serde_json::from_str(&line).unwrap());
            }
        });
        let sockets = wishes["sockets"].as_u64().map_or(1, |sockets| usize::try_from(sockets).unwrap());
        Self { child, heard, sockets }
    }

    /// Gives an order.
    pub(super) fn order(&mut self, order: &Value) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{order}").unwrap();
    }

    /// The next line that tells of `event`; others are passed over.
    pub(super) fn until(&self, event: &str) -> Value {
        self.up_to(event).1
    }

    /// The next line that tells of `event`, and those before it.
    pub(super) fn up_to(&self, event: &str) -> (Vec<Value>, Value) {
        let deadline = Instant::now() + PATIENCE;
        let mut passed = Vec::new();
        while let Ok(line) = self.heard.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            if line["event"] == event {
                return (passed, line);
            }
            passed.push(line);
        }
        panic!("`{event}` was never heard, but {passed:#?}");
    }

    /// Waits until every socket was told that it hears everything; gives the last of these words.
    pub(super) fn ready(&self) -> Value {
        let mut last = Value::Null;
        for _ in 0..self.sockets {
            last = self.until("ready");
        }
        last["data"].clone()
    }

    /// What is heard until nothing comes any more.
    pub(super) fn rest(&self) -> Vec<Value> {
        std::iter::from_fn(|| self.heard.recv_timeout(QUIET).ok()).collect()
    }

    /// The names of what is heard until nothing comes any more.
    pub(super) fn events(&self) -> Vec<String> {
        self.rest().iter().map(|line| line["event"].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
