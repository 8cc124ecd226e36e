//! Sockets of the stock Socket.IO client, open while releases come and go.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use super::machine::Machine;

/// Longest wait for all of them to be connected.
const PATIENCE: Duration = Duration::from_secs(30);
/// Sockets that one person may have.
const OF_ONE: usize = 20;
/// What a server says that another one has taken over from.
const SERVICE_RESTART: u64 = 1012;

/// Sockets in a process of their own.
pub(crate) struct Sockets {
    child: Child,
    heard: Receiver<Value>,
    connected: Vec<bool>,
    troubles: Vec<String>,
}

impl Sockets {
    /// Opens `count` sockets of the people of the seed, and waits until each is told that it hears everything.
    pub(crate) fn open(machine: &Machine, count: usize) -> Self {
        let auths: Vec<Value> = tokens(machine, count.div_ceil(OF_ONE))
            .into_iter()
            .map(|token| json!({ "token": token }))
            .collect();
        let wishes = json!({ "url": machine.url("/"), "auths": auths, "sockets": count });
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("backend/tests/socket-client/client.mjs");
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
        let mut sockets = Self { child, heard, connected: vec![false; count], troubles: Vec::new() };
        assert!(sockets.come_back(), "the sockets do not connect: {:#?}", sockets.troubles);
        sockets
    }

    /// Waits until each is connected; false when they do not come back.
    fn come_back(&mut self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        // Also what was said before this.
        while let Ok(line) = self.heard.try_recv() {
            self.note(&line);
        }
        while self.connected.contains(&false) {
            match self.heard.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.note(&line),
                Err(_) => return false,
            }
        }
        true
    }

    fn note(&mut self, line: &Value) {
        let socket = usize::try_from(line["socket"].as_u64().unwrap()).unwrap();
        match line["event"].as_str().unwrap() {
            "ready" => {
                self.connected[socket] = true;
                if line["data"]["complete"] == false {
                    self.troubles.push(format!("a socket came back and was not told what it missed: {line}"));
                }
            }
            "disconnect" => {
                self.connected[socket] = false;
                if line["code"] != SERVICE_RESTART {
                    self.troubles.push(format!("a socket was not sent over, but cut: {line}"));
                }
            }
            "connect_error" => self.troubles.push(format!("a socket was refused: {line}")),
            _ => {}
        }
    }

    /// Waits until all are connected, and tells what went wrong since they were opened.
    pub(crate) fn stop(mut self) -> Vec<String> {
        if !self.come_back() {
            let away = self.connected.iter().filter(|connected| !**connected).count();
            self.troubles.push(format!("{away} of {} sockets did not come back", self.connected.len()));
        }
        std::mem::take(&mut self.troubles)
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Tokens of so many people.
fn tokens(machine: &Machine, people: usize) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut session = PgConnection::connect(&machine.migrator_dsn()).await.unwrap();
        let emails: Vec<String> =
            sqlx::query_scalar("SELECT email FROM users WHERE status = 'active' ORDER BY email LIMIT $1")
                .bind(i64::try_from(people).unwrap())
                .fetch_all(&mut session)
                .await
                .unwrap();
        session.close().await.unwrap();
        assert_eq!(emails.len(), people, "the seed has too few accounts for so many sockets");
        // Fails when it was done before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut tokens = Vec::new();
        for email in emails {
            let body = json!({ "email": email, "password": "test123" });
            let answer = client.post(machine.url("/auth/login")).json(&body).send().await.unwrap();
            let answer: Value = answer.error_for_status().unwrap().json().await.unwrap();
            tokens.push(answer["access_token"].as_str().unwrap().to_owned());
        }
        tokens
    })
}
