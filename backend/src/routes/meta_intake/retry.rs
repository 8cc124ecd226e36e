//! `POST /crm/meta/intake/{id}/retry`: another try for a lead that was put aside or waits.

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::audit;
use crate::error::{ApiError, ErrorBody};
use crate::meta::{self, Retried};
use crate::tenant::Tenant;

/// A lead that will be tried.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RetryPlanned {
    /// The lead, as `/crm/meta/intake` names it.
    id: i64,
}

/// Tries a lead again.
#[utoipa::path(post, path = "/crm/meta/intake/{id}/retry", tag = "meta-intake",
    params(("id" = i64, Path, description = "The lead, as `/crm/meta/intake` names it")), responses(
        (status = ACCEPTED, body = RetryPlanned),
        (status = NOT_FOUND, body = ErrorBody),
        (status = CONFLICT, description = "`already_stored`", body = ErrorBody),
    ))]
pub(crate) async fn retry(
    Path(id): Path<String>,
    mut tenant: Tenant,
) -> Result<(StatusCode, Json<RetryPlanned>), ApiError> {
    let id: i64 = id.parse().map_err(|_| ApiError::not_found())?;
    match meta::retry(tenant.transaction(), id).await? {
        Retried::Missing => Err(ApiError::not_found()),
        Retried::Stored => {
            Err(ApiError::conflict("already_stored", "this lead is stored already", json!({ "id": id })))
        }
        Retried::Due => {
            let entity = Some(("meta_lead", id.to_string()));
            let entry = audit::Entry { action: "meta_lead.retried", entity, details: &json!({}) };
            audit::record(tenant.transaction(), entry).await?;
            Ok((StatusCode::ACCEPTED, Json(RetryPlanned { id })))
        }
    }
}
