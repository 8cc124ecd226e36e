//! Targets: their file is strict, and none passes on nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use checks::{
    CheckOutcome, LoadPlan, LoadReport, MemoryUse, Outcome, Thresholds, Variables, evaluate, run_load,
};

use crate::server::{Server, suite};

const FILE: &str = include_str!("../../../config/thresholds.toml");

fn thresholds() -> Thresholds {
    Thresholds::parse("config/thresholds.toml", FILE).unwrap()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A load of `count` requests that the generator had no trouble with.
async fn load(router: Router, count: u64) -> LoadReport {
    let server = Server::start(router).await;
    let suite = suite("schema = 1\n[http.one]\npath = '/'\nexpect = ['status == 200']\n");
    let plan = LoadPlan::new(count as f64, Duration::from_secs(1));
    for _ in 0..10 {
        let report = run_load(&suite, &server.subject, &plan, &Variables::default(), &|_| {}).await.unwrap();
        if report.is_valid() {
            return report;
        }
    }
    panic!("this machine is too busy for {count} requests/s");
}

fn timed() -> Router {
    Router::new().route("/", get(async || ([("server-timing", "app;dur=9, db;dur=3")], "ok")))
}

fn judge(required: &[&str], report: &LoadReport) -> Vec<CheckOutcome> {
    let all = evaluate(&thresholds(), &names(required), report);
    let first: Vec<&str> = all.iter().take(2).map(|line| line.check.as_str()).collect();
    assert_eq!(first, ["perf/requests-answered", "perf/load-is-valid"], "they are judged always");
    all.into_iter().skip(2).collect()
}

#[test]
fn the_file_has_the_targets_of_the_runbook() {
    let found: Vec<(String, u64)> =
        thresholds().targets().iter().map(|target| (target.name.clone(), target.below)).collect();
    let wanted = [
        ("api_p95_ms", 500),
        ("database_p95_ms", 100),
        ("page_load_ms", 3000),
        ("notification_ms", 5000),
        ("metrics_full_tenant_ms", 30000),
        ("memory_growth_mb", 256),
    ];
    assert_eq!(found, wanted.map(|(name, below)| (name.to_owned(), below)));
    assert!(thresholds().unknown(&names(&["api_p95_ms"])).is_empty());
    let unknown = thresholds().unknown(&names(&["api_p59_ms"]));
    assert_eq!(unknown, ["`api_p59_ms` is no threshold, did you mean `api_p95_ms`?"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn growth_of_memory_is_judged_by_what_whoever_runs_the_subject_saw() {
    let mut report = load(timed(), 50).await;
    let judged = |report: &LoadReport| {
        let line = judge(&["memory_growth_mb"], report).remove(0);
        assert_eq!(line.expected.as_deref(), Some("< 256 MB more than before the load"));
        (line.outcome, line.actual.unwrap())
    };
    assert_eq!(judged(&report), (Outcome::Errored, "not measured by this load".to_owned()));
    let grew = |most_mb| Some(MemoryUse { before_mb: 40, most_mb, samples: 9 });
    report.memory = grew(295);
    let passed = (Outcome::Passed, "255 MB (40 MB, then 295 MB, after 50 requests)".to_owned());
    assert_eq!(judged(&report), passed);
    report.memory = Some(MemoryUse { samples: 1, ..report.memory.unwrap() });
    assert_eq!(judged(&report), (Outcome::Errored, "too few samples (n = 1)".to_owned()));
    report.invalid.push("the generator slept".to_owned());
    report.memory = grew(295);
    assert_eq!(judged(&report).0, Outcome::Errored);
    report.memory = grew(296);
    assert_eq!(judged(&report).0, Outcome::Failed, "a slow generator excuses no leak");
    report.memory = grew(30);
    report.invalid.clear();
    assert_eq!(judged(&report).0, Outcome::Passed, "it may shrink");
}

#[test]
fn growth_of_memory_has_a_limit_in_megabytes_and_no_percentiles() {
    let text = r#"schema = 1
[threshold.a]
figure = "memory_growth"
statistic = "p95"
below_ms = 10
source = "here"
"#;
    let error = Thresholds::parse("thresholds.toml", text).unwrap_err();
    let lines = error.lines().collect::<Vec<_>>().join("\n");
    for word in ["`below_mb` is missing", "below_ms", "no percentiles"] {
        assert!(lines.contains(word), "{word}: {lines}");
    }
}

#[test]
fn mistakes_in_the_file_have_their_places() {
    let text = r#"schema = 1
[treshold.x]
[threshold.a]
figure = "apy"
statistic = "p95"
below_ms = 0
min_samples = 100
[threshold.b]
figure = "api"
statistic = "p99"
below_ms = 10
min_samples = 999
source = "here"
minimum = 1
"#;
    let error = Thresholds::parse("thresholds.toml", text).unwrap_err();
    insta::assert_snapshot!(error.lines().collect::<Vec<_>>().join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_is_met_passes_with_its_figure() {
    let report = load(timed(), 250).await;
    let outcomes = judge(&["api_p95_ms", "database_p95_ms"], &report);
    let lines: Vec<String> = outcomes
        .iter()
        .map(|o| format!("{} {} {}", o.check, o.outcome.as_str(), o.expected.as_ref().unwrap()))
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @"
    perf/api_p95_ms passed < 500 ms (p95 of ≥ 200 samples)
    perf/database_p95_ms passed < 100 ms (p95 of ≥ 200 samples)
    ");
    assert_eq!(outcomes[1].actual.as_deref(), Some("3.0 ms (n = 250)"));
    assert!(outcomes[0].detail.as_ref().unwrap().contains("line 427"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_target_passes_without_data() {
    let report = load(Router::new().route("/", get(async || "ok")), 100).await;
    let outcomes = judge(&["api_p95_ms", "database_p95_ms", "page_load_ms", "api_p59_ms"], &report);
    let lines: Vec<String> = outcomes
        .iter()
        .map(|o| format!("{} {}: {}", o.check, o.outcome.as_str(), o.actual.as_ref().unwrap()))
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @"
    perf/api_p95_ms errored: too few samples (n = 100)
    perf/database_p95_ms errored: not measured by this load
    perf/page_load_ms errored: not measured by this load
    perf/api_p59_ms errored: `api_p59_ms` is no threshold, did you mean `api_p95_ms`?
    ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_load_passes_nothing() {
    let mut report = load(timed(), 250).await;
    report.invalid.push("the generator slept".to_owned());
    for outcome in judge(&["api_p95_ms", "database_p95_ms"], &report) {
        assert_eq!(outcome.outcome, Outcome::Errored);
        assert_eq!(outcome.actual.as_deref(), Some("the load is INVALID: the generator slept"));
    }
    assert!(report.to_string().lines().nth(1).unwrap().starts_with("INVALID"), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fast_errors_are_no_fast_answers() {
    let asked = Arc::new(AtomicU64::new(0));
    let one_in_ten = async move || {
        let fails = asked.fetch_add(1, Ordering::SeqCst).is_multiple_of(10);
        if fails { StatusCode::SERVICE_UNAVAILABLE.into_response() } else { "ok".into_response() }
    };
    let report = load(Router::new().route("/", get(one_in_ten)), 250).await;
    let outcome = &judge(&["api_p95_ms"], &report)[0];
    assert_eq!(outcome.outcome, Outcome::Failed);
    assert_eq!(outcome.actual.as_deref(), Some("p95 is a failed request (n = 250, 25 failed)"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_is_missed_fails_with_its_figure() {
    let slow = async || ([("server-timing", "db;dur=150")], "ok");
    let report = load(Router::new().route("/", get(slow)), 250).await;
    let outcome = &judge(&["database_p95_ms"], &report)[0];
    assert_eq!(outcome.outcome, Outcome::Failed);
    assert_eq!(outcome.actual.as_deref(), Some("150.0 ms (n = 250)"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_that_proves_nothing_is_no_pass_though_nothing_is_required() {
    let worst =
        |report: &LoadReport| evaluate(&thresholds(), &[], report).iter().map(|line| line.outcome).max();
    let mut good = load(timed(), 100).await;
    assert_eq!(worst(&good), Some(Outcome::Passed));
    good.invalid.push("the generator slept".to_owned());
    assert_eq!(worst(&good), Some(Outcome::Errored));
    let dead = load(Router::new().route("/", get(async || StatusCode::BAD_GATEWAY)), 100).await;
    let answered = &dead.verdict()[0];
    assert_eq!((worst(&dead), answered.outcome), (Some(Outcome::Failed), Outcome::Failed));
    assert_eq!(answered.actual.as_deref(), Some("0 of 100 (status_502 100)"));
}
