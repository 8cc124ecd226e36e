//! A load as reports show it: the part of `load.finished` that people look at.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a load saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LoadView {
    /// The load model in a sentence.
    pub model: String,
    /// Why the generator was the bottleneck; empty when the figures are the subject's.
    pub invalid: Vec<String>,
    /// How long requests left, in seconds.
    pub duration_seconds: f64,
    /// Requests per second that were asked for.
    pub rate_asked: f64,
    /// Requests per second that left.
    pub rate_reached: f64,
    /// Requests that left.
    pub sent: u64,
    /// Requests that were answered rightly.
    pub succeeded: u64,
    /// Requests that failed, those that were never sent included.
    pub failed: u64,
    /// Requests that were due and did not leave before the load was over. Results of older versions lack it.
    #[serde(default)]
    pub never_sent: u64,
    /// All routes together.
    pub total: RouteView,
    /// Each request of the mix.
    pub routes: Vec<RouteView>,
    /// Interval by interval.
    pub series: Vec<PointView>,
}

impl LoadView {
    /// `500 sent, 3 failed (2 of them never sent)`.
    pub fn counts(&self) -> String {
        let never = match self.never_sent {
            0 => String::new(),
            never => format!(" ({never} of them never sent)"),
        };
        format!("{} sent, {} failed{never}", self.sent, self.failed)
    }
}

/// What became of one request of the mix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RouteView {
    /// `smoke/meta-leads`.
    pub check: String,
    /// `GET /crm/meta/leads`.
    pub route: String,
    /// How often it was asked.
    pub sent: u64,
    /// Right answers, from the due time.
    pub response: LatencyView,
    /// Failures by cause.
    pub errors: BTreeMap<String, u64>,
}

/// How latencies are distributed. Units: milliseconds; `null` where there are no samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub struct LatencyView {
    /// How many were measured.
    pub samples: u64,
    pub min_ms: Option<f64>,
    pub p50_ms: Option<f64>,
    pub p90_ms: Option<f64>,
    pub p95_ms: Option<f64>,
    pub p99_ms: Option<f64>,
    pub p99_9_ms: Option<f64>,
    pub p99_99_ms: Option<f64>,
    pub max_ms: Option<f64>,
}

/// One interval of a load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PointView {
    /// When it begins, in seconds after the start of the load.
    pub second: u64,
    /// Requests due in it that were answered rightly.
    pub succeeded: u64,
    /// Requests due in it that failed.
    pub failed: u64,
    /// Half of the right answers came within this, in milliseconds.
    pub p50_ms: Option<f64>,
    /// 99 of 100 right answers came within this, in milliseconds.
    pub p99_ms: Option<f64>,
    /// The slowest right answer, in milliseconds.
    pub max_ms: Option<f64>,
}
