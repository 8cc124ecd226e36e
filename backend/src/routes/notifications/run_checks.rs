//! `POST /notifications/run-checks`: looks now for what is worth telling in the caller's tenant, without waiting for
//! the job.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

use super::failed;
use crate::error::{ApiError, ErrorBody};
use crate::notifications;
use crate::tenant::Tenant;

/// What came of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Checked {
    /// Notifications that are new.
    created: usize,
}

/// Runs the checks of notifications now.
#[utoipa::path(post, path = "/notifications/run-checks", tag = "notifications",
    responses((status = OK, body = Checked),
        (status = SERVICE_UNAVAILABLE, body = ErrorBody, description = "`feature_unavailable`: switched off")))]
pub(crate) async fn run_checks(mut tenant: Tenant) -> Result<Json<Checked>, ApiError> {
    let created = notifications::check(tenant.transaction()).await.map_err(failed)?;
    Ok(Json(Checked { created }))
}

/// The same under the path of the administration.
#[utoipa::path(post, path = "/admin/core/notifications/run-checks", tag = "notifications",
    responses((status = OK, body = Checked)))]
pub(crate) async fn admin_run_checks(tenant: Tenant) -> Result<Json<Checked>, ApiError> {
    run_checks(tenant).await
}
