//! `POST /notifications/{id}/read` and `/notifications/read-all`: marks own ones read. "All" is bounded by the newest
//! id that the reader saw, so that what came meanwhile stays unread.

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::failed;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Body;
use crate::outbox::{self, Audience, Event};
use crate::tenant::Tenant;

/// Up to where.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReadAll {
    /// Id of the newest notification that the reader saw.
    up_to: i64,
}

/// How many were marked.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Marked {
    /// Notifications that were unread until now.
    marked: usize,
}

/// Marks one read; one that is read stays so.
#[utoipa::path(post, path = "/notifications/{id}/read", tag = "notifications",
    params(("id" = i64, Path, description = "The notification")),
    responses((status = NO_CONTENT), (status = NOT_FOUND, body = ErrorBody)))]
pub(crate) async fn read(Path(id): Path<String>, mut tenant: Tenant) -> Result<StatusCode, ApiError> {
    let id: i64 = id.parse().map_err(|_| ApiError::not_found())?;
    let caller = tenant.caller();
    let known: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM notifications WHERE tenant_id = $1 AND recipient_id = $2 AND id = $3)",
    )
    .bind(caller.tenant_id)
    .bind(caller.user_id)
    .bind(id)
    .fetch_one(tenant.db())
    .await
    .map_err(failed)?;
    if !known {
        return Err(ApiError::not_found());
    }
    mark(&mut tenant, "id = $3", id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The same under the path of the administration.
#[utoipa::path(post, path = "/admin/core/notifications/{id}/read", tag = "notifications",
    params(("id" = i64, Path, description = "The notification")),
    responses((status = NO_CONTENT), (status = NOT_FOUND, body = ErrorBody)))]
pub(crate) async fn admin_read(path: Path<String>, tenant: Tenant) -> Result<StatusCode, ApiError> {
    read(path, tenant).await
}

/// Marks all up to one read.
#[utoipa::path(post, path = "/notifications/read-all", tag = "notifications", request_body = ReadAll,
    responses((status = OK, body = Marked), (status = BAD_REQUEST, body = ErrorBody)))]
pub(crate) async fn read_all(
    mut tenant: Tenant,
    Body(ReadAll { up_to }): Body<ReadAll>,
) -> Result<Json<Marked>, ApiError> {
    let marked = mark(&mut tenant, "id <= $3", up_to).await?;
    Ok(Json(Marked { marked }))
}

/// The same under the path of the administration.
#[utoipa::path(post, path = "/admin/core/notifications/read-all", tag = "notifications", request_body = ReadAll,
    responses((status = OK, body = Marked), (status = BAD_REQUEST, body = ErrorBody)))]
pub(crate) async fn admin_read_all(tenant: Tenant, body: Body<ReadAll>) -> Result<Json<Marked>, ApiError> {
    read_all(tenant, body).await
}

/// Marks and tells the reader's other windows; `which` is text of this program.
async fn mark(tenant: &mut Tenant, which: &'static str, id: i64) -> Result<usize, ApiError> {
    let caller = tenant.caller();
    let sql = format!(
        "UPDATE notifications SET read_at = now(), updated_at = now()
         WHERE tenant_id = $1 AND recipient_id = $2 AND read_at IS NULL AND {which} RETURNING id"
    );
    let ids: Vec<i64> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
        .bind(caller.tenant_id)
        .bind(caller.user_id)
        .bind(id)
        .fetch_all(tenant.db())
        .await
        .map_err(failed)?;
    if !ids.is_empty() {
        let (event, audience) = (Event::NotificationMarkedRead, Audience::Person(caller.user_id));
        // The truth is in the table; a list of thousands helps no window.
        let shown = &ids[..ids.len().min(200)];
        outbox::publish(tenant.transaction(), event, audience, &json!({ "ids": shown, "marked": ids.len() }))
            .await?;
    }
    Ok(ids.len())
}
