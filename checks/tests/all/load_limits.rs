//! Where a load ends: a login that fails, connections that are all busy, requests too late to send, answers of
//! another release.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use checks::{Outcome, Variables, run_load};

use crate::load::{ONE, load, plan};
use crate::server::{Server, suite};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_fails_is_a_failure_with_what_was_seen() {
    let router = Router::new()
        .route("/login", post(async || (StatusCode::INTERNAL_SERVER_ERROR, "no table")))
        .route("/", get(async || "ok"));
    let server = Server::start(router).await;
    // In the file the check that waits for the login stands first.
    let text = r#"schema = 1
[http.seen]
session = "ceo"
path = "/"
expect = ["status == 200"]
capture = { id = "$.id" }
load_weight = 0
[session.ceo]
email = "a@b.c"
password_key = "P"
[http.login]
method = "POST"
path = "/login"
json = { password = "{{ceo.password}}" }
expect = ["status == 200"]
capture = { token = "$.t" }
[http.one]
path = "/{{seen.id}}"
expect = ["status == 200"]
"#;
    let variables = Variables { secrets: [("P".to_owned(), "pw".into())].into(), ..Variables::default() };
    let run = async |variables: &Variables| {
        run_load(&suite(text), &server.subject, &plan(1.0, 100), variables, &|_| {}).await.unwrap_err()
    };
    let refused = run(&variables).await;
    assert_eq!(refused.outcome(), Outcome::Failed);
    let check = refused.check().unwrap();
    assert_eq!((check.check.as_str(), check.actual.as_deref()), ("probe/login", Some("500")));
    assert_eq!(
        refused.to_string(),
        "`probe/login` failed, and the load needs it: expected status == 200, got 500"
    );
    assert!(refused.hint().unwrap().contains("suite `probe`"));
    // Without the password nothing was asked, so nothing failed.
    assert_eq!(run(&Variables::default()).await.outcome(), Outcome::Errored);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_whose_connections_are_all_busy_is_invalid_and_says_how_long_requests_waited() {
    let slow = async || tokio::time::sleep(Duration::from_millis(200)).await;
    let server = Server::start(Router::new().route("/", get(slow))).await;
    let mut plan = plan(100.0, 1000);
    // 200 ms at 100/s need 20.
    plan.connections = 4;
    let report = load(&server.subject, ONE, &plan).await;
    assert_eq!(report.succeeded, 100, "{report}");
    assert!(!report.is_valid());
    assert!(report.invalid.iter().any(|why| why.starts_with("all 4 connections were busy")), "{report}");
    assert!(report.rate_reached < 60.0, "what waits has not left: {report}");
    assert!(report.queue.p95_ms.unwrap() > 1000.0 && report.never_sent == 0, "{report}");
    // Latency still counts from the due time.
    assert!(report.total.response.p95_ms.unwrap() > report.queue.p95_ms.unwrap(), "{report}");
    assert!(report.to_string().contains("wait for one of 4 connections"), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_came_too_late_closes_no_healthy_connection() {
    let slow = async || tokio::time::sleep(Duration::from_millis(200)).await;
    let server = Server::start(Router::new().route("/", get(slow))).await;
    // All due within a millisecond: one is answered, the next is cut off, and then it is too late for the rest.
    let mut plan = plan(100_000.0, 1);
    (plan.connections, plan.workers, plan.timeout) = (1, 1, Duration::from_millis(300));
    let report = load(&server.subject, ONE, &plan).await;
    assert!(report.never_sent > 50, "{report}");
    assert_eq!(report.sent + report.never_sent, 100);
    assert_eq!(report.total.errors.get("timeout"), Some(&report.failed), "{report}");
    let cut = report.failed - report.never_sent;
    assert!(report.connections_opened <= 1 + cut, "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_of_another_release_are_errors_and_counted_by_release() {
    let asked = Arc::new(AtomicU64::new(0));
    let answer = async move || {
        let old = asked.fetch_add(1, Ordering::SeqCst).is_multiple_of(4);
        [("x-crm-release", if old { "old" } else { "new" })]
    };
    let server = Server::start(Router::new().route("/", get(answer))).await;
    let run = async |release: Option<&str>| {
        let variables = Variables { release: release.map(str::to_owned), ..Variables::default() };
        run_load(&suite(ONE), &server.subject, &plan(100.0, 400), &variables, &|_| {}).await.unwrap()
    };
    let report = run(Some("new")).await;
    let releases: Vec<(&str, u64)> = report.releases.iter().map(|(name, n)| (name.as_str(), *n)).collect();
    assert_eq!(releases, [("new", 30), ("old", 10)], "{report}");
    assert_eq!((report.succeeded, report.total.errors.get("wrong_release")), (30, Some(&10)), "{report}");
    assert!(report.verdict()[0].actual.as_ref().unwrap().contains("10 answers of release `old`"));
    assert_eq!(run(None).await.failed, 0, "nobody asked for a release");
}
