//! `GET /notifications/count`: the numbers of the bell.

use axum::Json;

use super::{Nothing, failed};
use crate::error::ApiError;
use crate::extract::Query;
use crate::notifications::Count;
use crate::tenant::Tenant;

/// How many own notifications there are, by priority.
#[utoipa::path(get, path = "/notifications/count", tag = "notifications",
    params(("tenant_id" = Option<i32>, Query, description = "Must be the caller's own")),
    responses((status = OK, body = Count),
        (status = SERVICE_UNAVAILABLE, body = crate::error::ErrorBody, description = "`feature_unavailable`: switched off")))]
pub(crate) async fn count(mut tenant: Tenant, _: Query<Nothing>) -> Result<Json<Count>, ApiError> {
    let caller = tenant.caller();
    Count::of(tenant.db(), caller.tenant_id, caller.user_id).await.map(Json).map_err(failed)
}

/// The same under the path of the administration.
#[utoipa::path(get, path = "/admin/core/notifications/count", tag = "notifications",
    params(("tenant_id" = Option<i32>, Query, description = "Must be the caller's own")),
    responses((status = OK, body = Count),
        (status = SERVICE_UNAVAILABLE, body = crate::error::ErrorBody, description = "`feature_unavailable`: switched off")))]
pub(crate) async fn admin_count(tenant: Tenant, query: Query<Nothing>) -> Result<Json<Count>, ApiError> {
    count(tenant, query).await
}
