//! Figures of the server for Prometheus, on a listener of their own that no user reaches (`METRICS_BIND`): durations by
//! route, connections, sockets, jobs, how far the outbox is behind. Labels are templates of routes and names of jobs,
//! never what a request carries. Without that listener nothing is gathered.

pub(crate) mod incidents;
mod listener;

use std::fmt::{self, Debug, Formatter};
use std::time::Duration;

use axum::http::Method;
use metrics::{counter, gauge, histogram, with_local_recorder};
use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};

use crate::jobs::engine::health::TaskHealth;
use crate::state::AppState;

pub(crate) use listener::listen;

/// Upper bounds of the buckets of durations, in seconds.
const BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// What a request that met no route is counted under.
const NO_ROUTE: &str = "none";
/// How long the database may take to say how jobs are.
const JOBS_LIMIT: Duration = Duration::from_secs(1);

/// Gathers figures of one server.
pub(crate) struct Telemetry {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
}

impl Debug for Telemetry {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str("Telemetry")
    }
}

impl Telemetry {
    /// Gathers nothing yet.
    ///
    /// # Errors
    /// Never, as long as there are buckets.
    pub(crate) fn new() -> Result<Self, BuildError> {
        let durations = Matcher::Suffix("_seconds".to_owned());
        let builder = PrometheusBuilder::new().set_buckets_for_metric(durations, &BUCKETS)?;
        let recorder = builder.build_recorder();
        Ok(Self { handle: recorder.handle(), recorder })
    }

    /// A request was answered.
    pub(crate) fn answered(
        &self,
        method: &Method,
        route: &str,
        status: u16,
        took: Duration,
        database: Duration,
    ) {
        let route = if route.is_empty() { NO_ROUTE } else { route }.to_owned();
        let method = if route == NO_ROUTE { NO_ROUTE.to_owned() } else { method.to_string() };
        with_local_recorder(&self.recorder, || {
            histogram!("crm_http_request_duration_seconds",
                "method" => method, "route" => route.clone(), "status" => status.to_string())
            .record(took.as_secs_f64());
            histogram!("crm_http_database_duration_seconds", "route" => route).record(database.as_secs_f64());
        });
    }

    /// Drops nothing, but brings what was recorded into its buckets; to be called now and then.
    fn settle(&self) {
        self.handle.run_upkeep();
    }

    /// Everything as Prometheus reads it.
    async fn render(&self, state: &AppState) -> String {
        let pool = state.database().pool_state();
        let health = state.scheduler().health(state.database(), state.lifecycle(), JOBS_LIMIT).await;
        let (told, lag) = state.realtime().told();
        with_local_recorder(&self.recorder, || {
            let settings = state.settings();
            gauge!("crm_release_info", "release" => settings.release.clone(), "version" => env!("CARGO_PKG_VERSION"),
                "environment" => settings.environment.clone())
            .set(1.0);
            for (name, number) in [("idle", pool.idle), ("in_use", pool.in_use), ("max", pool.max)] {
                gauge!("crm_database_connections", "state" => name).set(f64::from(number));
            }
            gauge!("crm_sockets").set(state.realtime().count() as f64);
            counter!("crm_outbox_told_total").absolute(told);
            gauge!("crm_outbox_lag_seconds").set(lag.as_secs_f64());
            if let Some(figures) = state.database().figures() {
                let (computed, kept) = figures.counts();
                counter!("crm_figures_total", "from" => "database").absolute(computed);
                counter!("crm_figures_total", "from" => "cache").absolute(kept);
            }
            for task in &health.tasks {
                job(task);
            }
        });
        self.handle.render()
    }
}

fn job(task: &TaskHealth) {
    let last = task.last_success.map_or(0.0, |at| at.timestamp() as f64);
    gauge!("crm_job_last_success_timestamp_seconds", "job" => task.id).set(last);
    gauge!("crm_job_late", "job" => task.id).set(f64::from(u8::from(task.late)));
}
