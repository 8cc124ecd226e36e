//! `POST /crm/leads/{id}/merge`: this lead is the same person as another one, and goes into it.

use axum::Json;
use axum::extract::Path;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::queries::{self, LeadRow};
use crate::conversations::Scope;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Body, Id};
use crate::leads;
use crate::tenant::Tenant;

/// Into which.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MergeInto {
    /// The lead that stays.
    into: Uuid,
}

/// Merges a lead into another one; gives the one that stays.
#[utoipa::path(post, path = "/crm/leads/{id}/merge", tag = "leads",
    params(("id" = Uuid, Path, description = "The lead that goes")), request_body = MergeInto, responses(
        (status = OK, body = LeadRow),
        (status = BAD_REQUEST, body = ErrorBody),
        (status = FORBIDDEN, description = "A vendedor merges what they own", body = ErrorBody),
        (status = NOT_FOUND, body = ErrorBody),
        (status = CONFLICT, description = "`already_merged` or `merged_away`, with the lead it is; `test_and_real`", body = ErrorBody),
    ))]
pub(crate) async fn merge(
    Path(Id(id)): Path<Id>,
    mut tenant: Tenant,
    Body(MergeInto { into }): Body<MergeInto>,
) -> Result<Json<LeadRow>, ApiError> {
    if id == into {
        return Err(ApiError::field("into", "is the lead itself"));
    }
    let scope = Scope::of(&tenant.caller());
    leads::merge(tenant.transaction(), scope, id, into).await?;
    let stays = queries::one(tenant.transaction(), scope, into).await?;
    stays.map(Json).ok_or_else(ApiError::not_found)
}
