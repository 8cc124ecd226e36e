//! `POST /scheduled-tasks/start`: sets the one flag of all replicas.

use axum::Json;
use axum::extract::State;

use super::{SchedulerState, look};
use crate::error::ApiError;
use crate::jobs::engine::state as flag;
use crate::state::AppState;
use crate::tenant::Tenant;

/// Lets jobs run on every replica; again changes nothing.
#[utoipa::path(post, path = "/scheduled-tasks/start", tag = "scheduled-tasks",
    responses((status = OK, body = SchedulerState)))]
pub(crate) async fn start(
    State(state): State<AppState>,
    mut tenant: Tenant,
) -> Result<Json<SchedulerState>, ApiError> {
    let by = tenant.caller().user_id;
    flag::set(tenant.db(), true, by).await?;
    look(&state, &mut tenant).await.map(Json)
}
