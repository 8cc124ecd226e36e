//! `POST /scheduled-tasks/run/{task}`: plans a run for now, unless one is waiting or at work.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::{ApiError, ErrorBody};
use crate::jobs::engine::state as tables;
use crate::state::AppState;
use crate::tenant::Tenant;

/// A run that will be done.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunPlanned {
    /// Name of the task.
    task: String,
    /// When the run is planned for.
    scheduled_for: DateTime<Utc>,
}

/// Runs a task now.
#[utoipa::path(post, path = "/scheduled-tasks/run/{task}", tag = "scheduled-tasks",
    params(("task" = String, Path, description = "Name of the task")), responses(
        (status = ACCEPTED, body = RunPlanned),
        (status = NOT_FOUND, description = "No such task", body = ErrorBody),
        (status = CONFLICT, description = "The scheduler is stopped or switched off", body = ErrorBody),
    ))]
pub(crate) async fn run(
    State(state): State<AppState>,
    Path(task): Path<String>,
    mut tenant: Tenant,
) -> Result<(StatusCode, Json<RunPlanned>), ApiError> {
    if !state.scheduler().knows(&task) {
        return Err(ApiError::not_found());
    }
    let flag = tables::flag(tenant.db()).await?;
    if !(flag.running && state.scheduler().is_enabled()) {
        let message = "the scheduler does not run, start it first";
        return Err(ApiError::new(StatusCode::CONFLICT, "scheduler_stopped", message));
    }
    let scheduled_for = tables::request_run(tenant.db(), &task).await?;
    Ok((StatusCode::ACCEPTED, Json(RunPlanned { task, scheduled_for })))
}
