//! `PATCH /crm/meta/leads/{id}/status`: as `/crm/leads/{id}/status`, for leads that everybody sees.

use axum::Json;
use axum::extract::Path;

use crate::error::{ApiError, ErrorBody};
use crate::extract::{Body, Id};
use crate::routes::leads::{NewStatus, StatusAnswer, set_status};
use crate::tenant::Tenant;

/// Moves a Meta lead to another status.
#[utoipa::path(patch, path = "/crm/meta/leads/{id}/status", tag = "meta-leads",
    params(("id" = uuid::Uuid, Path, description = "The lead")), request_body = NewStatus, responses(
        (status = OK, body = StatusAnswer),
        (status = BAD_REQUEST, body = ErrorBody),
        (status = FORBIDDEN, description = "Somebody else owns it, or nobody", body = ErrorBody),
        (status = NOT_FOUND, body = ErrorBody),
        (status = CONFLICT, description = "`invalid_transition`, with the ways there are", body = ErrorBody),
    ))]
pub(crate) async fn status(
    Path(Id(id)): Path<Id>,
    mut tenant: Tenant,
    Body(to): Body<NewStatus>,
) -> Result<Json<StatusAnswer>, ApiError> {
    let tenant_id = tenant.caller().tenant_id;
    let known: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM leads WHERE tenant_id = $1 AND id = $2 AND lead_source = 'META_ADS')",
    )
    .bind(tenant_id)
    .bind(id)
    .fetch_one(tenant.db())
    .await?;
    if !known {
        return Err(ApiError::not_found());
    }
    set_status(&mut tenant, id, to).await.map(Json)
}
