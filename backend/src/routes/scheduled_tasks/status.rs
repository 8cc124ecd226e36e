//! `GET /scheduled-tasks/status`: the scheduler in full.

use axum::Json;
use axum::extract::State;

use super::{SchedulerState, look};
use crate::error::ApiError;
use crate::state::AppState;
use crate::tenant::Tenant;

/// The scheduler in full.
#[utoipa::path(get, path = "/scheduled-tasks/status", tag = "scheduled-tasks",
    responses((status = OK, body = SchedulerState)))]
pub(crate) async fn status(
    State(state): State<AppState>,
    mut tenant: Tenant,
) -> Result<Json<SchedulerState>, ApiError> {
    look(&state, &mut tenant).await.map(Json)
}
