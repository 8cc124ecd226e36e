//! `GET /health/live`: the process answers. Asks nothing of anybody, so it never fails with them.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::state::AppState;

/// A living process.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Live {
    /// Always `alive`.
    status: &'static str,
    /// Release id.
    release: String,
}

/// Whether the process answers.
#[utoipa::path(get, path = "/health/live", tag = "health", responses((status = OK, body = Live)))]
pub(crate) async fn live(State(state): State<AppState>) -> Json<Live> {
    Json(Live { status: "alive", release: state.settings().release.clone() })
}
