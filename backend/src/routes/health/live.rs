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
    /// Whether the process has given up new privileges (`PR_SET_NO_NEW_PRIVS`).
    no_new_privs: bool,
}

/// Whether the process answers.
#[utoipa::path(get, path = "/health/live", tag = "health", responses((status = OK, body = Live)))]
pub(crate) async fn live(State(state): State<AppState>) -> Json<Live> {
    let no_new_privs = rustix::thread::no_new_privs().unwrap_or(false);
    Json(Live { status: "alive", release: state.settings().release.clone(), no_new_privs })
}
