//! `GET` and `PUT /admin/core/settings`: what holds for a whole tenant, read and set by its CEOs.

use axum::Json;
use serde_json::json;

use crate::audit;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Body;
use crate::tenant::{Tenant, TenantSettings, TenantSettingsAnswer};

/// What this tenant has set, beside what holds where it says nothing.
#[utoipa::path(get, path = "/admin/core/settings", tag = "administration",
    params(("tenant_id" = Option<i32>, Query, description = "Must be the caller's own")),
    responses((status = OK, body = TenantSettingsAnswer)))]
pub(crate) async fn get(mut tenant: Tenant) -> Result<Json<TenantSettingsAnswer>, ApiError> {
    let settings = TenantSettings::read(tenant.transaction()).await?;
    Ok(Json(settings.beside_the_usual()))
}

/// Replaces them: what is null or not named is usual again. Holds from the next request and the next job on.
#[utoipa::path(put, path = "/admin/core/settings", tag = "administration", request_body = TenantSettings,
    responses((status = OK, body = TenantSettingsAnswer), (status = BAD_REQUEST, body = ErrorBody)))]
pub(crate) async fn put(
    mut tenant: Tenant,
    Body(settings): Body<TenantSettings>,
) -> Result<Json<TenantSettingsAnswer>, ApiError> {
    let changed = settings.write(tenant.transaction()).await?;
    if !changed.is_empty() {
        let entity = Some(("tenant", tenant.caller().tenant_id.to_string()));
        let details = json!({ "changed": changed });
        let entry = audit::Entry { action: "tenant.settings_changed", entity, details: &details };
        audit::record(tenant.transaction(), entry).await?;
    }
    Ok(Json(settings.beside_the_usual()))
}
