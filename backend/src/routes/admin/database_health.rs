//! `GET /admin/health/db`: a word for anybody; figures for a CEO or another program.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::caller::{Identity, Role};
use crate::database::{Database, PoolState};
use crate::error::ApiError;
use crate::routes::health::LIMIT;
use crate::schema_versions::KNOWN;
use crate::state::AppState;
use crate::tenant::{Access, Transaction};

/// How the database is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DatabaseHealth {
    /// `healthy` or `away`.
    status: &'static str,
    /// Only for a CEO or the machine token.
    #[serde(flatten)]
    figures: Option<Figures>,
}

/// What the database is doing.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Figures {
    /// Milliseconds for one question.
    latency_ms: Option<f64>,
    /// Connections of this server.
    pool: PoolState,
    /// The schema, beside what this release brings.
    migrations: Option<Migrations>,
    /// Milliseconds that 95 of 100 queries of the last minutes did not exceed.
    query_p95_ms: Option<f64>,
}

/// Versions of the schema.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Migrations {
    /// Applied here.
    applied: usize,
    /// Known to this release, but not applied.
    pending: usize,
    /// Highest applied version.
    latest: Option<i64>,
}

/// Whether the database answers.
#[utoipa::path(get, path = "/admin/health/db", tag = "health", responses(
    (status = OK, body = DatabaseHealth),
    (status = SERVICE_UNAVAILABLE, description = "The database is away", body = DatabaseHealth),
))]
pub(crate) async fn health(
    State(state): State<AppState>,
    Extension(identity): Extension<Identity>,
) -> Result<(StatusCode, Json<DatabaseHealth>), ApiError> {
    let database = state.database();
    let answer = database.ping(LIMIT).await;
    // With the database away nobody can say whether the account may still see more: then less is shown.
    let figures = match answer {
        Ok(latency) if may_see_figures(database, identity).await? => Some(figures(database, latency).await),
        _ => None,
    };
    let (code, status) = match answer {
        Ok(_) => (StatusCode::OK, "healthy"),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "away"),
    };
    Ok((code, Json(DatabaseHealth { status, figures })))
}

async fn may_see_figures(database: &Database, identity: Identity) -> Result<bool, ApiError> {
    let Identity::Person(caller) = identity else { return Ok(identity == Identity::Machine) };
    Transaction::open(database, &caller, Access::Read).await?;
    Ok(caller.role == Role::Ceo)
}

async fn figures(database: &Database, latency: Duration) -> Figures {
    let migrations = tokio::time::timeout(LIMIT, migrations(database)).await;
    Figures {
        latency_ms: Some(milliseconds(latency)),
        pool: database.pool_state(),
        migrations: migrations.ok().and_then(Result::ok),
        query_p95_ms: database.statistics().quantile(0.95).map(milliseconds),
    }
}

async fn migrations(database: &Database) -> Result<Migrations, sqlx::Error> {
    let applied: Vec<i64> = sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success")
        .fetch_all(database.outside_tenants())
        .await
        .inspect_err(|error| tracing::warn!(%error, "the applied migrations cannot be read"))?;
    let applied: BTreeSet<i64> = applied.into_iter().collect();
    let pending = KNOWN.iter().filter(|version| !applied.contains(version)).count();
    Ok(Migrations { applied: applied.len(), pending, latest: applied.last().copied() })
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
