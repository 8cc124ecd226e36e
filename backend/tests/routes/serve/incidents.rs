//! What the server tells Sentry: a stand-in hears it over real HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use super::client::tcp;
use super::process::{PATIENCE, Release, Stage, until};
use crate::harness::{Person, TestApp};

/// A project of Sentry.
struct Sentry {
    address: SocketAddr,
    heard: Receiver<(String, String)>,
}

impl Sentry {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (say, heard) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if let Some(told) = hear(stream) {
                    let _ = say.send(told);
                }
            }
        });
        Self { address, heard }
    }

    fn dsn(&self) -> String {
        format!("http://0123456789abcdef@{}/42", self.address)
    }

    /// Head of the request, and the event in its envelope.
    fn next(&self) -> (String, Value) {
        let (head, body) = self.heard.recv_timeout(PATIENCE).unwrap();
        let lines: Vec<&str> = body.lines().collect();
        (head, serde_json::from_str(lines[2]).unwrap_or_else(|error| panic!("{error}: {body}")))
    }
}

/// One request of a connection, answered.
fn hear(stream: TcpStream) -> Option<(String, String)> {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(given) = line.to_lowercase().strip_prefix("content-length: ") {
            length = given.trim().parse().unwrap();
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    reader.into_inner().write_all(answer.as_bytes()).ok()?;
    Some((head, String::from_utf8(body).unwrap()))
}

fn server(stage: &Stage, dsn: &str) -> Release {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = stage.command("abc", 1);
    command
        .arg("serve")
        .env("BIND", address.to_string())
        .env("SENTRY_DSN", dsn)
        .env("CRM_ENVIRONMENT", "staging");
    // Jobs would have errors of their own.
    command.env("ENABLE_SCHEDULED_TASKS", "false");
    let release = stage.plain("abc", command);
    std::fs::write(stage.path("address"), address.to_string()).unwrap();
    until("it serves", || TcpStream::connect(address).ok());
    release
}

/// Asks for the leads as somebody; gives status and id of the request.
fn ask(stage: &Stage, token: &str) -> (u16, String) {
    let address: SocketAddr = std::fs::read_to_string(stage.path("address")).unwrap().parse().unwrap();
    let request = format!(
        "GET /crm/leads?search=ana@example.com HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    let reply = tcp(address).ask(&request).unwrap();
    (reply.status, reply.header("x-request-id").unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_is_told_with_its_request_and_without_anybody() {
    let app = TestApp::start().await;
    let token = app.token(Person::Ceo).await;
    let (sentry, stage) = (Sentry::start(), Stage::new(Some(&app.database)));
    let mut server = server(&stage, &sentry.dsn());
    app.sql("REVOKE SELECT ON leads FROM crm_app").await;
    let (status, id) = ask(&stage, &token);
    assert_eq!(status, 500);
    let (head, event) = sentry.next();
    assert!(head.starts_with("POST /api/42/envelope/"), "{head}");
    assert!(head.to_lowercase().contains("x-sentry-auth: sentry sentry_key=0123456789abcdef"), "{head}");
    assert_eq!(event["tags"]["request_id"], id);
    assert_eq!((&event["release"], &event["environment"]), (&"abc".into(), &"staging".into()));
    let whole = event.to_string();
    assert!(whole.contains("permission denied"), "{whole}");
    for secret in ["ana@example.com", &token, "ceo@example.com", "127.0.0.1"] {
        assert!(!whole.contains(secret), "{secret}: {whole}");
    }
    // The same again is the same trouble: told once a minute.
    for _ in 0..20 {
        ask(&stage, &token);
    }
    assert!(sentry.heard.recv_timeout(Duration::from_millis(500)).is_err(), "it is told again and again");
    server.terminate();
    assert!(server.ending().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_who_listens_costs_nothing() {
    let app = TestApp::start().await;
    let token = app.token(Person::Ceo).await;
    let stage = Stage::new(Some(&app.database));
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut server = server(&stage, &format!("http://0123456789abcdef@{nobody}/42"));
    app.sql("REVOKE SELECT ON leads FROM crm_app").await;
    assert_eq!(ask(&stage, &token).0, 500);
    until("it says so in the log", || server.log().contains("could not be told to Sentry").then_some(()));
    assert!(!server.log().contains("0123456789abcdef"), "the key is in the log: {}", server.log());
    server.terminate();
    assert!(server.ending().success());
}

#[test]
fn what_is_no_dsn_is_refused_by_its_name() {
    let stage = Stage::new(None);
    let mut command = stage.command("abc", 1);
    command.arg("serve").env("SENTRY_DSN", "not-one-s3cret");
    let mut server = stage.plain("abc", command);
    assert!(!server.ending().success());
    let told = server.log();
    assert!(told.contains("SENTRY_DSN") && !told.contains("s3cret"), "{told}");
}
