//! What a load saw, as data.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::LoadPlan;
use super::histogram::{Record, RouteRecord};
use super::schedule::Schedule;
use super::series::SeriesPoint;
use super::statistics::Distribution;
use super::target::Route;
use super::validity::{self, Generator};

/// How the subject says it spent its time; `null` where no answer said so: not measured, not zero.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServerTiming {
    /// In the application, per request.
    pub app: Option<Distribution>,
    /// In the database, per request (the sum of its queries).
    pub database: Option<Distribution>,
}

/// Resident memory of the subject, as whoever runs it saw it: a load knows an address only. Units: 10^6 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MemoryUse {
    /// Before the first request.
    pub before_mb: u64,
    /// The most that was seen since.
    pub most_mb: u64,
    /// How often it was looked at.
    pub samples: u64,
}

/// What became of one request of the mix.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RouteReport {
    /// `smoke/meta-leads`.
    pub check: String,
    /// `GET /crm/meta/leads?tenant_id={{tenant_id}}`.
    pub route: String,
    /// How often it was asked.
    pub sent: u64,
    /// Right answers, from the due time.
    pub response: Distribution,
    /// Right answers, from the moment the request left.
    pub service: Distribution,
    /// Failures, from the due time: kept apart, since a fast error is no fast answer.
    pub failed: Distribution,
    /// How the subject says it spent its time.
    pub server_timing: ServerTiming,
    /// Failures by cause: `status_503`, `timeout`, `connect`, `reset`, `protocol`.
    pub errors: BTreeMap<String, u64>,
}

/// What a load saw.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LoadReport {
    /// The version of this shape.
    pub schema: u32,
    /// The load model in a sentence.
    pub model: String,
    /// Why the generator was the bottleneck. Empty when the figures are the subject's.
    pub invalid: Vec<String>,
    /// When the load began.
    pub started_at: DateTime<Utc>,
    /// How long requests left.
    pub duration_seconds: f64,
    /// Requests per second that were asked for.
    pub rate_asked: f64,
    /// Requests per second that left.
    pub rate_reached: f64,
    /// Requests that left.
    pub sent: u64,
    /// Requests that were given up while they waited for a connection; they count as failed.
    pub never_sent: u64,
    /// Requests that were answered rightly.
    pub succeeded: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Connections that were opened in all.
    pub connections_opened: u64,
    /// The most connections that could be open at a time.
    pub connections_limit: usize,
    /// How late the generator turned to requests.
    pub lateness: Distribution,
    /// How long requests then waited for a connection, all of which were busy.
    pub queue: Distribution,
    /// Answers by the release that says it gave them (`x-crm-release`).
    pub releases: BTreeMap<String, u64>,
    /// Memory of the subject; `null` where nobody looked.
    pub memory: Option<MemoryUse>,
    /// The share of a core that the busiest thread of the generator used, 0 to 1.
    pub generator_cpu: f64,
    /// All routes together.
    pub total: RouteReport,
    /// Each request of the mix.
    pub routes: Vec<RouteReport>,
    /// Second by second.
    pub series: Vec<SeriesPoint>,
}

/// What is known of a load beside what the threads saw.
pub(crate) struct Facts<'a> {
    pub(crate) plan: &'a LoadPlan,
    pub(crate) schedule: Schedule,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) routes: &'a [Route],
    pub(crate) cpu: f64,
}

impl LoadReport {
    pub(crate) fn new(facts: &Facts<'_>, record: &Record) -> Self {
        let plan = facts.plan;
        let mut all = RouteRecord::new();
        record.routes.iter().for_each(|route| all.add(route));
        let total = RouteReport::new("all".to_owned(), "all requests".to_owned(), &all);
        let (lateness, queue) = (Distribution::of(&record.lateness), Distribution::of(&record.queue));
        let limit = plan.connections.div_ceil(plan.workers) * plan.workers;
        let reached = rate_reached(facts.schedule, record);
        let routes = facts.routes.iter().zip(&record.routes);
        Self {
            schema: 1,
            model: model(plan),
            invalid: validity::reasons(&Generator {
                asked: plan.rate,
                reached,
                lateness: &lateness,
                queue: &queue,
                limit,
                cpu: facts.cpu,
                late: plan.late,
            }),
            started_at: facts.started_at,
            duration_seconds: plan.duration.as_secs_f64(),
            rate_asked: plan.rate,
            rate_reached: reached,
            sent: record.sent,
            never_sent: record.queue.len() - record.sent,
            succeeded: total.response.samples,
            failed: total.failed.samples,
            connections_opened: record.opened,
            connections_limit: limit,
            lateness,
            queue,
            releases: record.releases.clone(),
            memory: None,
            generator_cpu: (facts.cpu * 1e3).round() / 1e3,
            total,
            routes: routes
                .map(|(route, record)| RouteReport::new(route.check.clone(), route.label.clone(), record))
                .collect(),
            series: record.series.points(),
        }
    }

    /// The figures are the subject's, not the generator's.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.invalid.is_empty()
    }
}

impl RouteReport {
    fn new(check: String, route: String, record: &RouteRecord) -> Self {
        let measured = |latencies| Some(Distribution::of(latencies)).filter(|d| d.samples > 0);
        Self {
            check,
            route,
            sent: record.response.len() + record.failed.len(),
            response: Distribution::of(&record.response),
            service: Distribution::of(&record.service),
            failed: Distribution::of(&record.failed),
            server_timing: ServerTiming { app: measured(&record.app), database: measured(&record.database) },
            errors: record.errors.iter().map(|(cause, count)| (cause.to_string(), *count)).collect(),
        }
    }
}

fn model(plan: &LoadPlan) -> String {
    let seconds = plan.duration.as_secs_f64();
    format!(
        "open model: {} requests/s for {seconds} s at fixed due times; latency counts from the due time, late requests are sent late",
        plan.rate
    )
}

/// Requests over the time in which they left; a period is added because the last one has its own.
#[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
fn rate_reached(schedule: Schedule, record: &Record) -> f64 {
    let time: Duration = record.last_departure + schedule.period();
    record.sent as f64 / time.as_secs_f64()
}
