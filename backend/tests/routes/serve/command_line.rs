//! The other verbs, and how the server refuses to start.

use std::process::{Command, Output};

use serde_json::Value;

use super::process::{BINARY, Stage};
use crate::harness::{KEY, TestApp};

fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(BINARY).args(arguments).env_clear().envs(environment.iter().copied()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_living_server_is_found_alive_over_both_ways() {
    let stage = Stage::new(None);
    let release = stage.release("aaa", 1);
    release.command("serve");
    let socket = release.private.to_str().unwrap();
    let url = format!("http://{}", stage.address());
    for arguments in [vec!["healthcheck", "--socket", socket], vec!["healthcheck", "--url", &url]] {
        let output = run(&arguments, &[]);
        assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
        let output = run(&[arguments, vec!["--json"]].concat(), &[]);
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((json["release"].as_str(), json["status"].as_str()), (Some("aaa"), Some("alive")));
        assert_eq!(json["no_new_privs"], true);
    }
    let output = run(&["healthcheck"], &[("BIND", &stage.address().to_string())]);
    assert!(output.status.success());
}

#[test]
fn nobody_there_is_exit_1_and_told() {
    let output = run(&["healthcheck", "--json", "--url", "http://127.0.0.1:1"], &[]);
    assert_eq!(output.status.code(), Some(1));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["status"], "away");
    assert!(text(&output.stderr).contains("127.0.0.1:1"));
}

#[test]
fn the_document_is_printed_without_any_setting() {
    let output = run(&["openapi"], &[]);
    assert!(output.status.success(), "{output:?}");
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(json["paths"]["/auth/login"]["post"].is_object());
}

#[test]
fn all_mistakes_are_told_before_anything_starts() {
    let environment = [("JWT_SECRET", "short"), ("BIND", "somewhere"), ("DRAIN_SECONDS", "x")];
    let output = run(&["serve"], &environment);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    for name in ["POSTGRES_DSN", "JWT_SECRET", "BIND", "DRAIN_SECONDS", "hint: "] {
        assert!(told.contains(name), "{name}: {told}");
    }
    assert!(!told.contains("short"), "{told}");
}

#[test]
fn an_unknown_verb_is_exit_2() {
    assert_eq!(run(&["explode"], &[]).status.code(), Some(2));
    assert_eq!(run(&[], &[]).status.code(), Some(2));
    assert_eq!(run(&["--version"], &[]).status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_comes_into_the_log() {
    let app = TestApp::start().await;
    let stage = Stage::new(Some(&app.database));
    let mut command = stage.command("aaa", 0);
    command.env("LOG_LEVEL", "trace");
    let release = stage.release_on(&stage.public, "aaa", command);
    release.command("serve");
    let body =
        serde_json::json!({"email": "canary@example.com", "password": "canary-password-1"}).to_string();
    let (head, body) = super::client::post("/auth/login?canary=canary-query", &body);
    let reply = super::client::tcp(stage.address()).ask(&format!("{head}{body}")).unwrap();
    assert_eq!(reply.status, 401);
    let log = release.log();
    assert!(log.contains("/auth/login"), "{log}");
    for secret in ["canary", KEY] {
        assert!(!log.contains(secret), "`{secret}` is in the log");
    }
}

#[test]
fn a_seed_without_its_settings_names_them() {
    let output = run(&["seed", "--password-env", "SMOKE_PASSWORD"], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("POSTGRES_MIGRATOR_DSN"));
}
