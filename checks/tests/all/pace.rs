//! Requests leave when they are due, and latency counts from then.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use tokio::sync::OnceCell;

use crate::load::{ONE, load, plan};
use crate::server::Server;

/// Stalls once, from request `first` on: whoever asks within `length` of it is answered at its end.
#[derive(Clone)]
struct Stall {
    asked: Arc<AtomicU64>,
    first: u64,
    length: Duration,
    end: Arc<OnceCell<Instant>>,
}

async fn stalling(State(stall): State<Stall>) {
    let length = stall.length;
    if stall.asked.fetch_add(1, Ordering::SeqCst) >= stall.first {
        let end = *stall.end.get_or_init(async || Instant::now() + length).await;
        tokio::time::sleep_until(end.into()).await;
    }
}

/// The exact answer: request `j` after the stall began waits `length - j / rate`, the others not at all.
fn exact_quantile(quantile: f64, count: u64, rate: f64, length: f64) -> f64 {
    let from_the_top = count - (quantile * count as f64).ceil() as u64;
    length - from_the_top as f64 / rate
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stall_shows_in_the_percentiles_as_computed_exactly() {
    // The stall is long beside what a busy machine itself holds a process up: a fiftieth of it is 40 ms.
    let (rate, seconds, length) = (40.0, 8_u64, 3.0);
    let mut errors = Vec::new();
    // A machine that itself stalls spoils a round, not the method.
    for _ in 0..4 {
        let stall = Stall {
            asked: Arc::default(),
            first: 160,
            length: Duration::from_secs_f64(length),
            end: Arc::default(),
        };
        let server = Server::start(Router::new().route("/", get(stalling)).with_state(stall)).await;
        let mut plan = plan(rate, seconds * 1000);
        // Fewer than wait in the stall: most requests leave late, and still count from when they were due.
        plan.connections = 8;
        let report = load(&server.subject, ONE, &plan).await;
        assert_eq!((report.sent, report.succeeded), (320, 320), "{report}");
        let response = &report.total.response;
        let service = report.total.service.p95_ms.unwrap();
        assert!(
            service < response.p95_ms.unwrap() / 2.0,
            "what a closed tool sees hides the stall\n{report}"
        );
        errors = [(0.99, response.p99_ms), (0.9, response.p90_ms)]
            .map(|(quantile, seen)| {
                let exact = exact_quantile(quantile, report.sent, rate, length) * 1e3;
                (seen.unwrap() - exact).abs() / exact
            })
            .to_vec();
        if errors.iter().all(|error| *error <= 0.02) {
            return;
        }
    }
    panic!("off by {errors:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rate_is_reached_to_a_thousandth() {
    let server = Server::start(Router::new().route("/", get(async || "ok"))).await;
    let mut errors = Vec::new();
    for _ in 0..5 {
        let report = load(&server.subject, ONE, &plan(500.0, 2000)).await;
        assert_eq!((report.sent, report.succeeded, report.failed), (1000, 1000, 0), "{report}");
        errors.push((report.rate_reached / report.rate_asked - 1.0).abs());
        if errors.last().unwrap() <= &0.001 {
            return;
        }
    }
    panic!("off by {errors:?}");
}
