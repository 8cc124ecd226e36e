//! `GET` and `PUT /notifications/settings`: what the caller wants to hear.

use axum::Json;

use super::failed;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Body;
use crate::notifications::settings::NotificationSettings;
use crate::tenant::Tenant;

/// Own settings.
#[utoipa::path(get, path = "/notifications/settings", tag = "notifications",
    params(("tenant_id" = Option<i32>, Query, description = "Must be the caller's own")),
    responses((status = OK, body = NotificationSettings)))]
pub(crate) async fn get(mut tenant: Tenant) -> Result<Json<NotificationSettings>, ApiError> {
    let user = tenant.caller().user_id;
    NotificationSettings::read(tenant.transaction(), user).await.map(Json).map_err(failed)
}

/// Replaces own settings; gives them as they are kept.
#[utoipa::path(put, path = "/notifications/settings", tag = "notifications", request_body = NotificationSettings,
    responses((status = OK, body = NotificationSettings), (status = BAD_REQUEST, body = ErrorBody)))]
pub(crate) async fn put(
    mut tenant: Tenant,
    Body(settings): Body<NotificationSettings>,
) -> Result<Json<NotificationSettings>, ApiError> {
    let settings = settings.checked()?;
    let user = tenant.caller().user_id;
    settings.write(tenant.transaction(), user).await.map_err(failed)?;
    Ok(Json(settings))
}

/// The same under the path of the administration.
#[utoipa::path(get, path = "/admin/core/notifications/settings", tag = "notifications",
    params(("tenant_id" = Option<i32>, Query, description = "Must be the caller's own")),
    responses((status = OK, body = NotificationSettings)))]
pub(crate) async fn admin_get(tenant: Tenant) -> Result<Json<NotificationSettings>, ApiError> {
    get(tenant).await
}

/// The same under the path of the administration.
#[utoipa::path(put, path = "/admin/core/notifications/settings", tag = "notifications", request_body = NotificationSettings,
    responses((status = OK, body = NotificationSettings), (status = BAD_REQUEST, body = ErrorBody)))]
pub(crate) async fn admin_put(
    tenant: Tenant,
    body: Body<NotificationSettings>,
) -> Result<Json<NotificationSettings>, ApiError> {
    put(tenant, body).await
}
