//! `GET /crm/leads/{id}`: one lead. One that was merged away says into which.

use axum::Json;
use axum::extract::Path;

use super::queries::{self, LeadRow};
use crate::conversations::Scope;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Id;
use crate::tenant::Tenant;

/// One lead.
#[utoipa::path(get, path = "/crm/leads/{id}", tag = "leads",
    params(("id" = uuid::Uuid, Path, description = "The lead"), ("tenant_id" = Option<i32>, Query, description = "Must be the caller's own")),
    responses((status = OK, body = LeadRow), (status = NOT_FOUND, body = ErrorBody)))]
pub(crate) async fn get(Path(Id(id)): Path<Id>, mut tenant: Tenant) -> Result<Json<LeadRow>, ApiError> {
    let scope = Scope::of(&tenant.caller());
    queries::one(tenant.transaction(), scope, id).await?.map(Json).ok_or_else(ApiError::not_found)
}
