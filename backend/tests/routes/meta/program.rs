//! `crm-server meta-simulate`: the stand-in as a program of its own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::SECRET;

const BINARY: &str = env!("CARGO_BIN_EXE_crm-server");

/// A running stand-in, ended with the test.
struct Program {
    child: Child,
    url: String,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    fn start(seed: &str) -> Self {
        let mut child = Command::new(BINARY)
            .args(["meta-simulate", "--listen", "127.0.0.1:0", "--leads", "40", "--seed", seed])
            .env_clear()
            .env("META_APP_SECRET", SECRET)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).unwrap();
        assert!(told["token"].is_string() && told["page_id"] == "100000000000001", "{told}");
        Self { child, url: told["url"].as_str().unwrap().to_owned() }
    }

    async fn get(&self, path: &str) -> Value {
        client().get(format!("{}{path}", self.url)).send().await.unwrap().json().await.unwrap()
    }
}

fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

#[tokio::test]
async fn the_same_seed_gives_the_same_people() {
    let (one, same, other) = (Program::start("5"), Program::start("5"), Program::start("6"));
    let ledger = one.get("/simulator/ledger").await;
    assert_eq!(ledger["submissions"].as_array().unwrap().len(), 40);
    assert_eq!(ledger["people"], same.get("/simulator/ledger").await["people"]);
    assert_ne!(ledger["people"], other.get("/simulator/ledger").await["people"]);
}

#[tokio::test]
async fn it_can_be_broken_while_it_runs() {
    let program = Program::start("5");
    let refused = program.get("/v23.0/me").await;
    assert_eq!(refused["error"]["code"], 190, "without a token");
    let put = client().put(format!("{}/simulator/mode", program.url)).json(&json!({ "mode": "away" }));
    assert!(put.send().await.unwrap().status().is_success());
    assert_eq!(program.get("/v23.0/me").await["error"]["code"], 2);
    let more = client().post(format!("{}/simulator/leads", program.url)).json(&json!({ "count": 3 }));
    assert!(more.send().await.unwrap().status().is_success());
    assert_eq!(program.get("/simulator/ledger").await["submissions"].as_array().unwrap().len(), 43);
}

#[test]
fn its_help_and_its_mistakes_say_what_to_do() {
    let run = |arguments: &[&str]| Command::new(BINARY).args(arguments).env_clear().output().unwrap();
    let help = String::from_utf8(run(&["meta-simulate", "--help"]).stdout).unwrap();
    for word in ["--webhook-url", "--seed", "/simulator/ledger", "token_expired"] {
        assert!(help.contains(word), "{word}: {help}");
    }
    let output = run(&["meta-simulate"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.code() == Some(1)
            && told.contains("`META_APP_SECRET` is missing")
            && told.contains("hint: ")
    );
}
