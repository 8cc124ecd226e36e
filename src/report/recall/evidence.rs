//! What single records say: summaries, checks, who wrote them and when.

use chrono::{DateTime, Utc};
use phases::engine::failure::{CheckEvidence, Failure};
use phases::engine::journal::Record;
use serde_json::Value;

use crate::report::result::CheckView;

pub(super) fn summary(evidence: &Value, failure: Option<&Failure>) -> String {
    let said = evidence["summary"].as_str().map(str::to_owned);
    said.or_else(|| failure.map(|failure| failure.message.clone())).unwrap_or_default()
}

pub(super) fn checks(evidence: &Value, failure: Option<&Failure>) -> Vec<CheckView> {
    let shown: Option<Vec<CheckEvidence>> = serde_json::from_value(evidence["checks"].clone()).ok();
    let all = shown.or_else(|| failure.map(|failure| failure.checks.clone())).unwrap_or_default();
    all.iter().map(CheckView::from).collect()
}

pub(super) fn holder(record: &Record) -> String {
    format!("{}@{}", record.actor.user, record.actor.host)
}

pub(super) fn time(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|at| at.with_timezone(&Utc))
}

/// To the millisecond, which is what the records have.
pub(super) fn rounded(seconds: f64) -> f64 {
    (seconds * 1e3).round() / 1e3
}

#[expect(clippy::cast_precision_loss, reason = "a run lasts less than 2^53 milliseconds")]
pub(super) fn millis(duration: chrono::TimeDelta) -> f64 {
    duration.num_milliseconds() as f64 / 1e3
}
