//! Releases that break on purpose (`CRM_FAULT`), for the tests of whoever deploys this. Compiled only
//! with the feature `faults`, never into a release.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::response::{IntoResponse, Response};

use crate::error::ApiError;
use crate::lifecycle::Stage;

/// When a release that exits does so.
const EXIT_AFTER: Duration = Duration::from_millis(300);
/// Public requests after which a release that crashes late does so, unless it is told another number.
const CRASH_AFTER: usize = 100;
/// What a leaking release keeps of each request.
const LEAKED_BYTES: usize = 2 << 20;
/// Requests that leak: a machine must outlive the test.
const LEAKS: usize = 256;

/// How this release breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    NeverReady,
    Exit,
    Http500,
    LoginBroken,
    Deaf,
    Slow(Duration),
    LateCrash(usize),
    Leak,
}

fn fault() -> Option<Fault> {
    static FAULT: OnceLock<Option<Fault>> = OnceLock::new();
    *FAULT.get_or_init(|| std::env::var("CRM_FAULT").ok().and_then(|text| parse(&text)))
}

fn parse(text: &str) -> Option<Fault> {
    match text {
        "never_ready" => Some(Fault::NeverReady),
        "exit" => Some(Fault::Exit),
        "http_500" => Some(Fault::Http500),
        "login_broken" => Some(Fault::LoginBroken),
        "deaf" => Some(Fault::Deaf),
        "late_crash" => Some(Fault::LateCrash(CRASH_AFTER)),
        "leak" => Some(Fault::Leak),
        other => match other.split_once('=')? {
            ("slow_ms", time) => time.parse().ok().map(Duration::from_millis).map(Fault::Slow),
            ("late_crash", requests) => requests.parse().ok().map(Fault::LateCrash),
            _ => None,
        },
    }
}

/// Says in the log what will go wrong.
pub(crate) fn announce() {
    if let Some(fault) = fault() {
        tracing::warn!(?fault, "this release breaks on purpose (CRM_FAULT)");
    }
}

/// Ends the process a moment after its start, when that is its fault.
pub(crate) fn maybe_exit() {
    if fault() == Some(Fault::Exit) {
        tokio::spawn(async {
            tokio::time::sleep(EXIT_AFTER).await;
            tracing::error!("exiting on purpose (CRM_FAULT=exit)");
            std::process::exit(1);
        });
    }
}

/// False when this release is never ready, or exits before it could be: one that crashes later is another fault.
pub(crate) fn may_be_ready() -> bool {
    !matches!(fault(), Some(Fault::NeverReady | Fault::Exit))
}

/// The broken answer to a request of the application, when there is one. Health stays well: what an
/// orchestrator cannot see is the point. A deaf release, and one that crashes late, is well until it has the
/// public address.
pub(crate) async fn answer(path: &str, stage: Stage) -> Option<Response> {
    let is_health = path.starts_with("/health");
    match fault() {
        Some(Fault::LateCrash(after)) if stage == Stage::Serving => {
            crash_after(after);
            None
        }
        Some(Fault::Leak) if !is_health => {
            leak();
            None
        }
        Some(Fault::Http500) if !is_health => Some(ApiError::internal().into_response()),
        Some(Fault::Slow(time)) if !is_health => {
            tokio::time::sleep(time).await;
            None
        }
        Some(Fault::Deaf) if stage == Stage::Serving => std::future::pending().await,
        _ => None,
    }
}

/// Ends the process at the request after the first `requests` ones.
fn crash_after(requests: usize) {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    if ASKED.fetch_add(1, Ordering::Relaxed) >= requests {
        tracing::error!(requests, "exiting on purpose (CRM_FAULT=late_crash)");
        std::process::exit(1);
    }
}

/// Keeps memory for ever, of so many requests.
fn leak() {
    static LEAKED: AtomicUsize = AtomicUsize::new(0);
    if LEAKED.fetch_add(1, Ordering::Relaxed) < LEAKS {
        // Written to, or the kernel would give no memory for it; looked at, or an optimised build would write nothing.
        std::mem::forget(std::hint::black_box(vec![1_u8; LEAKED_BYTES]));
    }
}

/// Fails when logins are broken.
pub(crate) fn login() -> Result<(), ApiError> {
    if fault() == Some(Fault::LoginBroken) { Err(ApiError::internal()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_fault_is_known() {
        assert_eq!(parse("never_ready"), Some(Fault::NeverReady));
        assert_eq!(parse("exit"), Some(Fault::Exit));
        assert_eq!(parse("http_500"), Some(Fault::Http500));
        assert_eq!(parse("login_broken"), Some(Fault::LoginBroken));
        assert_eq!(parse("deaf"), Some(Fault::Deaf));
        assert_eq!(parse("slow_ms=250"), Some(Fault::Slow(Duration::from_millis(250))));
        assert_eq!(parse("late_crash"), Some(Fault::LateCrash(CRASH_AFTER)));
        assert_eq!(parse("late_crash=7"), Some(Fault::LateCrash(7)));
        assert_eq!(parse("leak"), Some(Fault::Leak));
        assert_eq!(parse("slow_ms=much"), None);
        assert_eq!(parse("late_crash=soon"), None);
        assert_eq!(parse(""), None);
    }
}
