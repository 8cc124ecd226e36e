//! `/scheduled-tasks/…`: start, stop, look, run now.

mod health;
mod run;
mod start;
mod status;
mod stop;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::error::ApiError;
use crate::jobs::engine::state;
use crate::policy::{Policy, Role, Routes};
use crate::state::AppState;
use crate::tenant::Tenant;

/// Who commands the scheduler.
const COMMANDERS: Policy = Policy::Roles(&[Role::Ceo]);

/// Routes of this resource.
pub(super) fn routes() -> Routes {
    Routes::new()
        .with(Policy::Public, routes!(health::health))
        .with(COMMANDERS, routes!(status::status))
        .with(COMMANDERS, routes!(start::start))
        .with(COMMANDERS, routes!(stop::stop))
        .with(COMMANDERS, routes!(run::run))
}

/// A task in full.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Task {
    /// Name of the task.
    id: &'static str,
    /// Seconds from one run to the next.
    interval_seconds: u64,
    /// When it last succeeded.
    last_success: Option<DateTime<Utc>>,
    /// Why its last finished run failed, when it did.
    last_error: Option<String>,
    /// Failed attempts since the last success.
    consecutive_failures: i32,
    /// When it is due next.
    next_run: Option<DateTime<Utc>>,
    /// Whether a replica works on it now.
    running: bool,
}

/// The scheduler in full.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SchedulerState {
    /// Whether jobs run: started, and not switched off by `ENABLE_SCHEDULED_TASKS`.
    scheduler_running: bool,
    /// The stored flag of all replicas.
    started: bool,
    /// Whether this server may run jobs at all.
    enabled: bool,
    /// Since when the flag is as it is.
    since: DateTime<Utc>,
    /// Number of tasks.
    total_tasks: usize,
    /// Each task.
    tasks: Vec<Task>,
}

/// The scheduler as the tables know it now.
async fn look(state: &AppState, tenant: &mut Tenant) -> Result<SchedulerState, ApiError> {
    let flag = state::flag(tenant.db()).await?;
    let known = state.scheduler().tasks(tenant.db()).await?;
    let tasks: Vec<Task> = state
        .scheduler()
        .intervals()
        .map(|(id, interval)| {
            let task = known.iter().find(|task| task.job == id);
            Task {
                id,
                interval_seconds: interval.as_secs(),
                last_success: task.and_then(|task| task.last_success),
                last_error: task.and_then(|task| task.last_error.clone()),
                consecutive_failures: task.map_or(0, |task| task.consecutive_failures),
                next_run: task.map(|task| task.next_run_at),
                running: task.is_some_and(|task| task.running),
            }
        })
        .collect();
    let enabled = state.scheduler().is_enabled();
    Ok(SchedulerState {
        scheduler_running: flag.running && enabled,
        started: flag.running,
        enabled,
        since: flag.changed_at,
        total_tasks: tasks.len(),
        tasks,
    })
}
