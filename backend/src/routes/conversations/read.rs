//! `POST /crm/conversations/{id}/read`: how far the caller has read; never moves back.

use axum::extract::Path;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::queries;
use crate::conversations::Scope;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Body, Id};
use crate::tenant::Tenant;

/// How far.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReadUpTo {
    /// Id of the last message seen.
    up_to: i64,
}

/// Marks messages read.
#[utoipa::path(post, path = "/crm/conversations/{id}/read", tag = "conversations",
    params(("id" = uuid::Uuid, Path, description = "The conversation")), request_body = ReadUpTo,
    responses((status = NO_CONTENT), (status = BAD_REQUEST, body = ErrorBody), (status = NOT_FOUND, body = ErrorBody)))]
pub(crate) async fn read(
    Path(Id(id)): Path<Id>,
    mut tenant: Tenant,
    Body(ReadUpTo { up_to }): Body<ReadUpTo>,
) -> Result<StatusCode, ApiError> {
    let scope = Scope::of(&tenant.caller());
    if queries::mark_read(&mut tenant, scope, id, up_to).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::not_found())
    }
}
