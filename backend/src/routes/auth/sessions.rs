//! `/auth/sessions` and `/admin/core/sessions`: where one is logged in, and where the people of the tenant are. Ending a
//! session refuses its tokens from the next request on.

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::FromRow;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::audit;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Id, Query};
use crate::tenant::Tenant;

/// A login on one device.
#[derive(Debug, Serialize, FromRow, ToSchema)]
pub(crate) struct Session {
    id: Uuid,
    /// Whose.
    user_id: Uuid,
    /// Their name.
    user_name: String,
    created_at: DateTime<Utc>,
    /// When its refresh token was used last.
    last_used_at: DateTime<Utc>,
    /// Its end, however often it is used.
    expires_at: DateTime<Utc>,
    /// What the device said it is.
    user_agent: Option<String>,
    /// Where it was opened from.
    ip: Option<String>,
    /// Whether it is the one that asks.
    current: bool,
}

/// Sessions that may be used, the latest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Sessions {
    sessions: Vec<Session>,
}

/// No parameter besides `tenant_id`; any other is refused.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// Whose sessions.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Whose {
    user_id: Option<Uuid>,
}

/// Where the caller is logged in.
#[utoipa::path(get, path = "/auth/sessions", tag = "auth", responses((status = OK, body = Sessions)))]
pub(crate) async fn own(mut tenant: Tenant, _: Query<Nothing>) -> Result<Json<Sessions>, ApiError> {
    let user = tenant.caller().user_id;
    list(&mut tenant, Some(user)).await
}

/// Where the people of the tenant are logged in.
#[utoipa::path(get, path = "/admin/core/sessions", tag = "auth",
    params(("user_id" = Option<Uuid>, Query, description = "Only of this person"),
        ("tenant_id" = Option<i32>, Query, description = "Must be the caller's own")),
    responses((status = OK, body = Sessions)))]
pub(crate) async fn of_tenant(
    mut tenant: Tenant,
    Query(Whose { user_id }): Query<Whose>,
) -> Result<Json<Sessions>, ApiError> {
    list(&mut tenant, user_id).await
}

/// Ends one of the caller's own sessions.
#[utoipa::path(delete, path = "/auth/sessions/{id}", tag = "auth",
    params(("id" = Uuid, Path, description = "The session")),
    responses((status = NO_CONTENT, description = "It has ended"), (status = NOT_FOUND, body = ErrorBody)))]
pub(crate) async fn end_own(Path(Id(id)): Path<Id>, mut tenant: Tenant) -> Result<StatusCode, ApiError> {
    let user = tenant.caller().user_id;
    end(&mut tenant, id, Some(user)).await
}

/// Ends a session of somebody in the tenant.
#[utoipa::path(delete, path = "/admin/core/sessions/{id}", tag = "auth",
    params(("id" = Uuid, Path, description = "The session")),
    responses((status = NO_CONTENT, description = "It has ended"), (status = NOT_FOUND, body = ErrorBody)))]
pub(crate) async fn end_of_tenant(
    Path(Id(id)): Path<Id>,
    mut tenant: Tenant,
) -> Result<StatusCode, ApiError> {
    end(&mut tenant, id, None).await
}

async fn list(tenant: &mut Tenant, user: Option<Uuid>) -> Result<Json<Sessions>, ApiError> {
    let caller = tenant.caller();
    let sessions = sqlx::query_as(
        "SELECT s.id, s.user_id, btrim(u.first_name || ' ' || u.last_name) AS user_name, s.created_at, s.last_used_at,
                s.expires_at, s.user_agent, host(s.ip) AS ip, s.id = $3 AS current
         FROM sessions s JOIN users u ON u.tenant_id = s.tenant_id AND u.id = s.user_id
         WHERE s.tenant_id = $1 AND ($2::uuid IS NULL OR s.user_id = $2) AND s.revoked_at IS NULL AND s.expires_at > now()
         ORDER BY s.last_used_at DESC, s.id DESC LIMIT 500",
    )
    .bind(caller.tenant_id)
    .bind(user)
    .bind(caller.session_id)
    .fetch_all(tenant.db())
    .await?;
    Ok(Json(Sessions { sessions }))
}

/// Ends it; `owner`: only when it is theirs.
async fn end(tenant: &mut Tenant, id: Uuid, owner: Option<Uuid>) -> Result<StatusCode, ApiError> {
    let caller = tenant.caller();
    let whose: Option<Uuid> = sqlx::query_scalar(
        "UPDATE sessions SET revoked_at = now(), revoked_reason = CASE WHEN user_id = $4 THEN 'logout' ELSE 'ended_by_ceo' END
         WHERE tenant_id = $1 AND id = $2 AND ($3::uuid IS NULL OR user_id = $3) AND revoked_at IS NULL RETURNING user_id",
    )
    .bind(caller.tenant_id)
    .bind(id)
    .bind(owner)
    .bind(caller.user_id)
    .fetch_optional(tenant.db())
    .await?;
    let whose = whose.ok_or_else(ApiError::not_found)?;
    let details = json!({ "user_id": whose });
    let entry = audit::Entry {
        action: "session.ended",
        entity: Some(("session", id.to_string())),
        details: &details,
    };
    audit::record(tenant.transaction(), entry).await?;
    Ok(StatusCode::NO_CONTENT)
}
