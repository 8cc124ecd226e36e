//! How an engine finds out that a server has stopped living: it asks for liveness, not readiness, so that a database that is
//! away starts nobody anew.

use std::time::Duration;

use serde_json::{Value, json};

use super::SERVER;

/// How often it is asked.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long it may take to begin before a missing answer counts.
const START: Duration = Duration::from_secs(2);
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(3);
/// So many bad answers in a row are its end.
const RETRIES: u64 = 3;
/// When one that never lived is given up, if it answers at once that it does not.
pub const FOUND_SICK: Duration = Duration::from_secs(START.as_secs() + INTERVAL.as_secs() * RETRIES);

/// As images name it; times in nanoseconds.
pub(super) fn check() -> Value {
    let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).expect("a few seconds");
    json!({
        "Test": ["CMD", SERVER, "healthcheck"],
        "Interval": nanoseconds(INTERVAL),
        "Timeout": nanoseconds(TIMEOUT),
        "StartPeriod": nanoseconds(START),
        "Retries": RETRIES,
    })
}
