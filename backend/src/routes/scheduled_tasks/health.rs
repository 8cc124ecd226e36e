//! `GET /scheduled-tasks/health`: whether every task runs when it should.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::jobs::engine::health::{SchedulerStatus, TaskHealth};
use crate::routes::health::LIMIT;
use crate::state::AppState;

/// How the scheduler is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TasksHealth {
    /// One word for all tasks.
    status: SchedulerStatus,
    /// Whether jobs run.
    scheduler_running: bool,
    /// Number of tasks.
    total_tasks: usize,
    /// Each task.
    tasks: Vec<TaskHealth>,
    /// When this was found out.
    timestamp: DateTime<Utc>,
}

/// Whether every task runs when it should.
#[utoipa::path(get, path = "/scheduled-tasks/health", tag = "scheduled-tasks", responses(
    (status = OK, body = TasksHealth),
    (status = SERVICE_UNAVAILABLE, description = "Late or error", body = TasksHealth),
))]
pub(crate) async fn health(State(state): State<AppState>) -> (StatusCode, Json<TasksHealth>) {
    let found = state.scheduler().health(state.database(), state.lifecycle(), LIMIT).await;
    let status = if found.status.is_well() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let health = TasksHealth {
        status: found.status,
        scheduler_running: found.running,
        total_tasks: found.tasks.len(),
        tasks: found.tasks,
        timestamp: Utc::now(),
    };
    (status, Json(health))
}
