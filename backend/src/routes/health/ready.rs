//! `GET /health/ready`: whether requests may be sent here. In standby too: there only the gate can ask,
//! over the private socket. Asks no database, so that one outage does not empty every pool.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::lifecycle::Stage;
use crate::state::AppState;

/// Whether requests may be sent here.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Readiness {
    /// `ready` or `not_ready`.
    status: &'static str,
    /// Stage of the server's life.
    state: Stage,
    /// Release id.
    release: String,
}

/// Whether requests may be sent here.
#[utoipa::path(get, path = "/health/ready", tag = "health", responses(
    (status = OK, body = Readiness),
    (status = SERVICE_UNAVAILABLE, description = "Starting or draining", body = Readiness),
))]
pub(crate) async fn ready(State(state): State<AppState>) -> (StatusCode, Json<Readiness>) {
    let is_ready = state.lifecycle().is_ready();
    #[cfg(feature = "faults")]
    let is_ready = is_ready && crate::faults::may_be_ready();
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let readiness = Readiness {
        status: if is_ready { "ready" } else { "not_ready" },
        state: state.lifecycle().stage(),
        release: state.settings().release.clone(),
    };
    (status, Json(readiness))
}
