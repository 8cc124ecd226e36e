//! `GET` and `PUT /admin/core/sellers/{id}/shift`: when a vendedor works, in their own zone. Without own hours those of
//! the tenant count.

use axum::Json;
use axum::extract::Path;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::audit;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Body, Id};
use crate::tenant::Tenant;
use crate::working_hours;

/// When a vendedor works.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shift {
    /// `{"mon": [["09:00", "18:00"]], …}`; a day that is not named has none, a span that ends before it begins goes over
    /// midnight. Null: the hours of the tenant.
    #[schema(value_type = Option<Object>)]
    shift: Option<Value>,
}

/// The shift of a vendedor.
#[utoipa::path(get, path = "/admin/core/sellers/{id}/shift", tag = "assignment",
    params(("id" = uuid::Uuid, Path, description = "The vendedor"), ("tenant_id" = Option<i32>, Query, description = "Must be the caller's own")),
    responses((status = OK, body = Shift), (status = NOT_FOUND, body = ErrorBody)))]
pub(crate) async fn get(Path(Id(id)): Path<Id>, mut tenant: Tenant) -> Result<Json<Shift>, ApiError> {
    let tenant_id = tenant.caller().tenant_id;
    let shift: Option<Option<Value>> = sqlx::query_scalar(
        "SELECT shift FROM users WHERE tenant_id = $1 AND id = $2 AND role IN ('setter', 'closer')",
    )
    .bind(tenant_id)
    .bind(id)
    .fetch_optional(tenant.db())
    .await?;
    shift.map(|shift| Json(Shift { shift })).ok_or_else(ApiError::not_found)
}

/// Sets the shift of a vendedor.
#[utoipa::path(put, path = "/admin/core/sellers/{id}/shift", tag = "assignment",
    params(("id" = uuid::Uuid, Path, description = "The vendedor")), request_body = Shift, responses(
        (status = OK, body = Shift), (status = BAD_REQUEST, body = ErrorBody), (status = NOT_FOUND, body = ErrorBody),
    ))]
pub(crate) async fn put(
    Path(Id(id)): Path<Id>,
    mut tenant: Tenant,
    Body(shift): Body<Shift>,
) -> Result<Json<Shift>, ApiError> {
    if let Some(mistake) = shift.shift.as_ref().and_then(working_hours::mistake) {
        return Err(ApiError::field("shift", mistake));
    }
    let tenant_id = tenant.caller().tenant_id;
    let written = sqlx::query(
        "UPDATE users SET shift = $3, updated_at = now() WHERE tenant_id = $1 AND id = $2 AND role IN ('setter', 'closer')",
    )
    .bind(tenant_id)
    .bind(id)
    .bind(&shift.shift)
    .execute(tenant.db())
    .await?;
    if written.rows_affected() == 0 {
        return Err(ApiError::not_found());
    }
    let details = json!({ "own_hours": shift.shift.is_some() });
    let entry = audit::Entry {
        action: "seller.shift_set",
        entity: Some(("user", id.to_string())),
        details: &details,
    };
    audit::record(tenant.transaction(), entry).await?;
    Ok(Json(shift))
}
