//! `GET` and `PUT /admin/core/settings`: what holds for a whole tenant, read and set by its CEOs.

use axum::Json;
use serde_json::json;

use crate::audit;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Body;
use crate::tenant::{Tenant, TenantSettings};

/// What this tenant has set, beside what holds where it says nothing.
#[utoipa::path(get, path = "/admin/core/settings", tag = "administration",
    params(("tenant_id" = Option<i32>, Query, description = "Must be the caller's own")),
    responses((status = OK, body = TenantSettings)))]
pub(crate) async fn get(mut tenant: Tenant) -> Result<Json<TenantSettings>, ApiError> {
    let settings = TenantSettings::read(tenant.transaction()).await?;
    Ok(Json(settings.beside_the_usual()))
}

/// Replaces them: what is null is usual again, and what `GET` gave may be sent back as it is. Holds from the next request and the next job on.
#[utoipa::path(put, path = "/admin/core/settings", tag = "administration", request_body = TenantSettings,
    responses((status = OK, body = TenantSettings), (status = BAD_REQUEST, body = ErrorBody)))]
pub(crate) async fn put(
    mut tenant: Tenant,
    Body(settings): Body<TenantSettings>,
) -> Result<Json<TenantSettings>, ApiError> {
    let changed = settings.write(tenant.transaction()).await?;
    if !changed.is_empty() {
        let entity = Some(("tenant", tenant.caller().tenant_id.to_string()));
        let details = json!({ "changed": changed });
        let entry = audit::Entry { action: "tenant.settings_changed", entity, details: &details };
        audit::record(tenant.transaction(), entry).await?;
    }
    Ok(Json(settings.beside_the_usual()))
}
