//! `POST /scheduled-tasks/stop`: sets the one flag of all replicas.

use axum::Json;
use axum::extract::State;

use super::{SchedulerState, look};
use crate::error::ApiError;
use crate::jobs::engine::state as flag;
use crate::state::AppState;
use crate::tenant::Tenant;

/// Lets no job begin on any replica; again changes nothing.
#[utoipa::path(post, path = "/scheduled-tasks/stop", tag = "scheduled-tasks",
    responses((status = OK, body = SchedulerState)))]
pub(crate) async fn stop(
    State(state): State<AppState>,
    mut tenant: Tenant,
) -> Result<Json<SchedulerState>, ApiError> {
    let by = tenant.caller().user_id;
    flag::set(tenant.db(), false, by).await?;
    look(&state, &mut tenant).await.map(Json)
}
