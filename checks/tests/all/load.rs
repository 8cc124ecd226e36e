//! Load against real servers: the mix, errors by cause, what is measured and what is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use checks::{LoadError, LoadPlan, LoadReport, Outcome, Subject, Variables, run_load};
use serde_json::json;
use url::Url;

use crate::server::{Server, dead_subject, suite};

pub(crate) const ONE: &str = "schema = 1\n[http.one]\npath = '/'\nexpect = ['status == 200']\n";

pub(crate) async fn load(subject: &Subject, text: &str, plan: &LoadPlan) -> LoadReport {
    run_load(&suite(text), subject, plan, &Variables::default(), &|_| {}).await.unwrap()
}

pub(crate) fn plan(rate: f64, millis: u64) -> LoadPlan {
    LoadPlan::new(rate, Duration::from_millis(millis))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_mix_follows_the_weights_and_logs_in_once() {
    let logins = Arc::new(AtomicU64::new(0));
    let counter = logins.clone();
    let login = async move || {
        counter.fetch_add(1, Ordering::SeqCst);
        Json(json!({ "access_token": "the-token" }))
    };
    let closed = async |headers: HeaderMap| {
        let known = headers.get("authorization").is_some_and(|bearer| bearer == "Bearer the-token");
        if known { StatusCode::OK } else { StatusCode::UNAUTHORIZED }
    };
    let router = Router::new()
        .route("/login", post(login))
        .route("/closed", get(closed))
        .route("/open", get(async || "ok"))
        .route("/change", post(async || StatusCode::INTERNAL_SERVER_ERROR));
    let text = r#"schema = 1
[session.ceo]
email = "a@b.c"
password_key = "P"
[http.login]
method = "POST"
path = "/login"
json = { email = "{{ceo.email}}", password = "{{ceo.password}}" }
expect = ["status == 200"]
capture = { token = "$.access_token" }
[http.closed]
session = "ceo"
path = "/closed"
expect = ["status == 200"]
load_weight = 3
[http.open]
path = "/open"
expect = ["status in [200, 204]"]
[http.change]
method = "POST"
path = "/change"
expect = ["status == 200"]
"#;
    for server in [Server::start(router.clone()).await, Server::start_on_socket(router).await] {
        let variables = Variables { secrets: [("P".to_owned(), "pw".into())].into(), ..Variables::default() };
        logins.store(0, Ordering::SeqCst);
        let report =
            run_load(&suite(text), &server.subject, &plan(200.0, 500), &variables, &|_| {}).await.unwrap();
        assert_eq!(logins.load(Ordering::SeqCst), 1);
        let sent: Vec<(&str, u64)> =
            report.routes.iter().map(|r| (r.check.as_str(), r.response.samples)).collect();
        assert_eq!(sent, [("probe/closed", 75), ("probe/open", 25)], "{report}");
        assert_eq!(report.routes[0].route, "GET /closed");
        assert!(
            report.connections_opened <= report.connections_limit as u64,
            "connections are kept alive: {report}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_are_counted_by_cause_and_their_latency_apart() {
    let asked = Arc::new(AtomicU64::new(0));
    let handler = async move || match asked.fetch_add(1, Ordering::SeqCst) % 4 {
        0 => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        1 => StatusCode::TOO_MANY_REQUESTS.into_response(),
        2 => std::future::pending().await,
        _ => "ok".into_response(),
    };
    let server = Server::start(Router::new().route("/", get(handler))).await;
    let mut plan = plan(100.0, 400);
    plan.timeout = Duration::from_millis(600);
    let report = load(&server.subject, ONE, &plan).await;
    let errors: Vec<(&str, u64)> =
        report.total.errors.iter().map(|(cause, n)| (cause.as_str(), *n)).collect();
    assert_eq!(errors, [("status_429", 10), ("status_500", 10), ("timeout", 10)], "{report}");
    assert_eq!((report.sent, report.succeeded, report.failed), (40, 10, 30));
    assert_eq!((report.total.response.samples, report.total.failed.samples), (10, 30));
    assert!(report.total.failed.max_ms.unwrap() >= 600.0, "a timeout lasts as long as it lasts");
    assert!(report.total.response.max_ms.unwrap() < 600.0);
    let expected = "schema = 1\n[http.one]\npath = '/'\nexpect = ['status in [200, 429]']\n";
    let report = load(&server.subject, expected, &plan).await;
    assert_eq!(report.total.errors.get("status_429"), None, "a 429 that is expected is no error: {report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subject_that_is_gone_or_hangs_up_is_all_errors() {
    let report = load(&dead_subject(), ONE, &plan(100.0, 200)).await;
    assert_eq!(report.total.errors.get("connect"), Some(&20), "{report}");

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let hang_up = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // Waits for the request, so that it is the answer that never comes.
            stream.readable().await.unwrap();
        }
    });
    let report = load(&Subject::at(url), ONE, &plan(100.0, 200)).await;
    hang_up.abort();
    assert_eq!(report.total.errors.get("reset"), Some(&20), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_the_subject_closes_cost_nothing() {
    let closing = async || ([("connection", "close")], "ok");
    let server = Server::start(Router::new().route("/", get(closing))).await;
    let report = load(&server.subject, ONE, &plan(200.0, 500)).await;
    assert_eq!((report.succeeded, report.connections_opened), (100, 100), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subject_that_never_answers_ends_with_the_timeout() {
    let server = Server::start(Router::new().route("/", get(std::future::pending::<()>))).await;
    let mut plan = plan(100.0, 300);
    (plan.timeout, plan.connections) = (Duration::from_millis(300), 2);
    let begun = Instant::now();
    let report = load(&server.subject, ONE, &plan).await;
    assert_eq!(report.total.errors.get("timeout"), Some(&30), "{report}");
    assert!(begun.elapsed() < Duration::from_secs(30), "queued requests are given up, not tried one by one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_timing_is_split_by_route_or_not_measured() {
    let timed = async || ([("server-timing", "app;dur=7, db;dur=2, db;dur=3")], "ok");
    let router = Router::new().route("/timed", get(timed)).route("/silent", get(async || "ok"));
    let server = Server::start(router).await;
    let text = "schema = 1\n[http.timed]\npath = '/timed'\nexpect = ['status == 200']\n\
                [http.silent]\npath = '/silent'\nexpect = ['status == 200']\n";
    let report = load(&server.subject, text, &plan(200.0, 200)).await;
    let (timed, silent) = (&report.routes[0].server_timing, &report.routes[1].server_timing);
    let database = timed.database.as_ref().unwrap();
    assert_eq!((database.samples, database.p95_ms.map(f64::round)), (20, Some(5.0)));
    assert_eq!(timed.app.as_ref().unwrap().p50_ms.map(f64::round), Some(7.0));
    assert_eq!((silent.app.is_none(), silent.database.is_none()), (true, true));
    assert_eq!(report.total.server_timing.database.as_ref().unwrap().samples, 20);
    let text = report.to_string();
    assert!(text.starts_with("open model: 200 requests/s for 0.2 s"), "{text}");
    assert!(text.contains("server: database") && text.contains("not measured"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_series_adds_up_to_the_whole() {
    let server = Server::start(Router::new().route("/", get(async || "ok"))).await;
    let report = load(&server.subject, ONE, &plan(50.0, 2500)).await;
    let seconds: Vec<(u64, u64)> = report.series.iter().map(|p| (p.second, p.succeeded + p.failed)).collect();
    assert_eq!(seconds, [(0, 50), (1, 50), (2, 25)]);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["total"]["response"]["samples"], 125);
    assert_eq!(json["schema"], 1);
    assert!(json["total"]["failed"]["p95_ms"].is_null(), "no samples are no zero");
}

#[tokio::test]
async fn a_load_that_cannot_start_says_why() {
    let run = async |text: &str, plan: LoadPlan| {
        run_load(&suite(text), &dead_subject(), &plan, &Variables::default(), &|_| {}).await.unwrap_err()
    };
    let zero = run(ONE, plan(0.0, 100)).await;
    assert_eq!(zero.to_string(), "a load cannot run with a rate of 0 requests/s");
    assert!(matches!(run(ONE, plan(f64::NAN, 100)).await, LoadError::Plan { .. }));
    assert!(matches!(run(ONE, plan(1.0, 0)).await, LoadError::Plan { .. }));
    let none = run(&format!("{ONE}load_weight = 0\n"), plan(1.0, 100)).await;
    assert_eq!(none.to_string(), "suite `probe` has no request for a load");
    assert!(none.hint().unwrap().contains("load_weight"));
    let needy = format!(
        "{ONE}depends = ['two']\n[http.two]\nmethod = 'POST'\npath = '/'\nexpect = ['status == 200']\n"
    );
    let LoadError::Setup(outcome) = run(&needy, plan(1.0, 100)).await else { panic!("the setup failed") };
    assert_eq!((outcome.check.as_str(), outcome.outcome), ("probe/two", Outcome::Failed));
    assert_eq!(none.outcome(), Outcome::Errored, "it says nothing of the subject");
    let unknown = "schema = 1\n[http.one]\npath = '/{{tenant_id}}'\nexpect = ['status == 200']\n";
    let refused = run(unknown, plan(1.0, 100)).await;
    assert_eq!(
        refused.to_string(),
        "`probe/one` cannot be repeated: this run has no value for `{{tenant_id}}`"
    );
    let nowhere = Subject::at(Url::parse("http://no-such-host.invalid").unwrap());
    let refused = run_load(&suite(ONE), &nowhere, &plan(1.0, 100), &Variables::default(), &|_| {}).await;
    assert!(matches!(refused, Err(LoadError::Address { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_a_load_stops_it() {
    let asked = Arc::new(AtomicU64::new(0));
    let counter = asked.clone();
    let server = Server::start(Router::new().route(
        "/",
        get(async move || {
            counter.fetch_add(1, Ordering::SeqCst);
        }),
    ))
    .await;
    let (suite, plan) = (suite(ONE), plan(200.0, 3_600_000));
    let variables = Variables::default();
    tokio::select! {
        ended = run_load(&suite, &server.subject, &plan, &variables, &|_| {}) => panic!("{ended:?}"),
        () = until(|| asked.load(Ordering::SeqCst) > 20) => {}
    }
    let mut last = u64::MAX;
    until_each(Duration::from_millis(200), || {
        let now = asked.load(Ordering::SeqCst);
        std::mem::replace(&mut last, now) == now
    })
    .await;
}

async fn until(condition: impl FnMut() -> bool) {
    until_each(Duration::from_millis(5), condition).await;
}

/// Waits for a condition, looking every `pause`, for at most 30 s.
async fn until_each(pause: Duration, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "it never came true");
        tokio::time::sleep(pause).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn progress_is_told_while_it_runs() {
    let server = Server::start(Router::new().route("/", get(async || "ok"))).await;
    let told = std::sync::Mutex::new(Vec::new());
    let observer = |progress: &checks::LoadProgress| told.lock().unwrap().push(*progress);
    let plan = plan(50.0, 1500);
    run_load(&suite(ONE), &server.subject, &plan, &Variables::default(), &observer).await.unwrap();
    let told = told.into_inner().unwrap();
    assert!(told.len() >= 2 && told.is_sorted_by_key(|progress| progress.sent), "{told:?}");
    assert_eq!(told.last().map(|last| (last.sent, last.succeeded, last.failed)), Some((75, 75, 0)));
}
