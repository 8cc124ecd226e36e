//! `GET /health`: everything this server needs, in one word each.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::LIMIT;
use crate::jobs::engine::health::SchedulerStatus;
use crate::state::AppState;

/// How the server is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// `healthy`, or `degraded` when something is missing.
    status: &'static str,
    /// Version of the server.
    version: &'static str,
    /// Release id.
    release: String,
    /// What it needs.
    checks: Checks,
}

/// What the server needs, each in one word.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Checks {
    /// `ok` or `away`.
    database: &'static str,
    /// `ok`, `away` or `not_configured`.
    redis: &'static str,
    /// As `/scheduled-tasks/health` says.
    scheduler: SchedulerStatus,
}

/// Whether everything works.
#[utoipa::path(get, path = "/health", tag = "health", responses(
    (status = OK, body = Health),
    (status = SERVICE_UNAVAILABLE, description = "The database is away", body = Health),
))]
pub(crate) async fn overall(State(state): State<AppState>) -> (StatusCode, Json<Health>) {
    let (database, redis, scheduler) = tokio::join!(
        state.database().ping(LIMIT),
        redis(&state),
        state.scheduler().health(state.database(), state.lifecycle(), LIMIT),
    );
    let scheduler = scheduler.status;
    let checks = Checks { database: if database.is_ok() { "ok" } else { "away" }, redis, scheduler };
    let is_well = database.is_ok() && redis != "away" && scheduler.is_well();
    let status = if database.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let health = Health {
        status: if is_well { "healthy" } else { "degraded" },
        version: env!("CARGO_PKG_VERSION"),
        release: state.settings().release.clone(),
        checks,
    };
    (status, Json(health))
}

async fn redis(state: &AppState) -> &'static str {
    match state.redis() {
        None => "not_configured",
        Some(redis) if redis.answers().await => "ok",
        Some(_) => "away",
    }
}
