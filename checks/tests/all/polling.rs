//! `until` asks again until a condition holds, and says how long that took.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use checks::{Outcome, Variables};
use serde_json::json;

use crate::server::Server;

/// Answers 503 until it has been asked `refusals` times.
fn ready_after(refusals: u32) -> (Router, Arc<AtomicU32>) {
    let asked = Arc::new(AtomicU32::new(0));
    let counter = asked.clone();
    let handler = async move || {
        let n = counter.fetch_add(1, Ordering::SeqCst);
        let status = if n < refusals { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
        (status, Json(json!({ "n": n })))
    };
    (Router::new().route("/", get(handler)), asked)
}

const SUITE: &str = "schema = 1\n[http.one]\npath = '/'\nexpect = ['status == 200']\n";

#[tokio::test]
async fn a_condition_that_comes_true_passes_and_its_time_is_told() {
    let (router, asked) = ready_after(3);
    let server = Server::start(router).await;
    let text = format!("{SUITE}until = {{ deadline_ms = 60000, every_ms = 20 }}\n");
    let report = server.run(&text, &Variables::default()).await;
    let check = &report.checks[0];
    assert_eq!(check.outcome, Outcome::Passed, "{check:?}");
    assert_eq!((check.attempts, asked.load(Ordering::SeqCst)), (4, 4));
    assert!(
        check.duration >= Duration::from_millis(60),
        "three intervals lie between four attempts: {check:?}"
    );
}

#[tokio::test]
async fn a_condition_that_stays_false_fails_at_its_deadline_with_the_last_answer() {
    let (router, asked) = ready_after(u32::MAX);
    let server = Server::start(router).await;
    let text = format!("{SUITE}until = {{ deadline_ms = 150, every_ms = 40 }}\n");
    let report = server.run(&text, &Variables::default()).await;
    let check = &report.checks[0];
    assert_eq!(check.outcome, Outcome::Failed);
    assert_eq!((check.expected.as_deref(), check.actual.as_deref()), (Some("status == 200"), Some("503")));
    assert!((2..=5).contains(&check.attempts), "{check:?}");
    assert!(asked.load(Ordering::SeqCst) <= 5);
}

#[tokio::test]
async fn a_subject_that_never_answers_fails_at_the_deadline() {
    let server = Server::start(Router::new().route("/", get(std::future::pending::<()>))).await;
    let text = format!("{SUITE}until = {{ deadline_ms = 100, every_ms = 20 }}\n");
    let report = server.run(&text, &Variables::default()).await;
    let check = &report.checks[0];
    assert_eq!(check.outcome, Outcome::Failed);
    assert_eq!(check.expected.as_deref(), Some("an answer within 100 ms"));
}

#[tokio::test]
async fn without_until_there_is_one_attempt() {
    let (router, asked) = ready_after(1);
    let server = Server::start(router).await;
    let report = server.run(SUITE, &Variables::default()).await;
    assert_eq!((report.checks[0].outcome, report.checks[0].attempts), (Outcome::Failed, 1));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_last_try_lies_at_the_deadline() {
    // Due at 0 and 700 ms; what comes true after that and before 1 s is in time.
    let (router, _) = ready_after(2);
    let server = Server::start(router).await;
    let text = format!("{SUITE}until = {{ deadline_ms = 1000, every_ms = 700 }}\n");
    let report = server.run(&text, &Variables::default()).await;
    let check = &report.checks[0];
    assert_eq!((check.outcome, check.attempts), (Outcome::Passed, 3), "{check:?}");
    assert!(check.duration >= Duration::from_millis(1000), "{check:?}");
}
