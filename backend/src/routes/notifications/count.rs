//! `GET /notifications/count`: the numbers of the bell.

use axum::Json;
use serde::Serialize;
use sqlx::FromRow;
use utoipa::ToSchema;

use super::{Nothing, failed};
use crate::error::ApiError;
use crate::extract::Query;
use crate::tenant::Tenant;

/// Own notifications that have not expired. The four priorities count unread ones and add up to `unread`.
#[derive(Debug, Serialize, FromRow, ToSchema)]
pub(crate) struct Count {
    /// Read and unread.
    total: i64,
    /// Unread.
    unread: i64,
    /// Unread of priority critical.
    critical: i64,
    /// Unread of priority high.
    high: i64,
    /// Unread of priority medium.
    medium: i64,
    /// Unread of priority low.
    low: i64,
}

/// How many own notifications there are, by priority.
#[utoipa::path(get, path = "/notifications/count", tag = "notifications",
    params(("tenant_id" = Option<i32>, Query, description = "Must be the caller's own")),
    responses((status = OK, body = Count),
        (status = SERVICE_UNAVAILABLE, body = crate::error::ErrorBody, description = "`feature_unavailable`: switched off")))]
pub(crate) async fn count(mut tenant: Tenant, _: Query<Nothing>) -> Result<Json<Count>, ApiError> {
    look(&mut tenant).await.map(Json).map_err(failed)
}

/// The same under the path of the administration.
#[utoipa::path(get, path = "/admin/core/notifications/count", tag = "notifications",
    params(("tenant_id" = Option<i32>, Query, description = "Must be the caller's own")),
    responses((status = OK, body = Count),
        (status = SERVICE_UNAVAILABLE, body = crate::error::ErrorBody, description = "`feature_unavailable`: switched off")))]
pub(crate) async fn admin_count(tenant: Tenant, query: Query<Nothing>) -> Result<Json<Count>, ApiError> {
    count(tenant, query).await
}

/// One look at the index that holds all it needs (`notifications_tenant_recipient_idx`).
async fn look(tenant: &mut Tenant) -> Result<Count, sqlx::Error> {
    let caller = tenant.caller();
    sqlx::query_as(
        "SELECT count(*) AS total, \
                count(*) FILTER (WHERE read_at IS NULL) AS unread, \
                count(*) FILTER (WHERE read_at IS NULL AND priority = 'critical') AS critical, \
                count(*) FILTER (WHERE read_at IS NULL AND priority = 'high') AS high, \
                count(*) FILTER (WHERE read_at IS NULL AND priority = 'medium') AS medium, \
                count(*) FILTER (WHERE read_at IS NULL AND priority = 'low') AS low \
         FROM notifications \
         WHERE tenant_id = $1 AND recipient_id = $2 AND (expires_at IS NULL OR expires_at > now())",
    )
    .bind(caller.tenant_id)
    .bind(caller.user_id)
    .fetch_one(tenant.db())
    .await
}
