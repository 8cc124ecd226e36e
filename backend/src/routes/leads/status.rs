//! `PATCH /crm/leads/{id}/status`: a lead moves on, by its owner or by a CEO.

use axum::Json;
use axum::extract::Path;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::filter::STATUSES;
use super::queries;
use crate::conversations::Scope;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Body, Id};
use crate::leads;
use crate::tenant::Tenant;

/// Longest reason, in characters.
const LONGEST_REASON: usize = 500;

/// Where to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewStatus {
    /// `new`, `contacted`, `qualified`, `proposal_sent`, `negotiation`, `won`, `lost` or `archived`.
    status: String,
    /// Why; needed for going back, losing, archiving and reopening.
    reason: Option<String>,
}

/// Where it is now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatusAnswer {
    status: String,
    /// Where it was; null when it was there already.
    previous: Option<String>,
    /// When it moved; null when it did not.
    changed_at: Option<DateTime<Utc>>,
}

/// Moves a lead to another status.
#[utoipa::path(patch, path = "/crm/leads/{id}/status", tag = "leads",
    params(("id" = Uuid, Path, description = "The lead")), request_body = NewStatus, responses(
        (status = OK, body = StatusAnswer),
        (status = BAD_REQUEST, body = ErrorBody),
        (status = FORBIDDEN, description = "It lies in the queue: take it first", body = ErrorBody),
        (status = NOT_FOUND, body = ErrorBody),
        (status = CONFLICT, description = "`invalid_transition`, with the ways there are", body = ErrorBody),
    ))]
pub(crate) async fn status(
    Path(Id(id)): Path<Id>,
    mut tenant: Tenant,
    Body(to): Body<NewStatus>,
) -> Result<Json<StatusAnswer>, ApiError> {
    let scope = Scope::of(&tenant.caller());
    if queries::one(tenant.transaction(), scope, id).await?.is_none() {
        return Err(ApiError::not_found());
    }
    set(&mut tenant, id, to).await.map(Json)
}

/// Moves a lead that the caller may know of.
pub(crate) async fn set(tenant: &mut Tenant, id: Uuid, to: NewStatus) -> Result<StatusAnswer, ApiError> {
    let (status, reason) = to.checked()?;
    let owner = Scope::of(&tenant.caller()).seller();
    let moved = leads::move_to(tenant.transaction(), owner, id, &status, reason.as_deref()).await?;
    let (previous, changed_at) = moved.map(|moved| (moved.from, moved.at)).unzip();
    Ok(StatusAnswer { status, previous, changed_at })
}

impl NewStatus {
    /// The status and the reason, if there is one in it.
    ///
    /// # Errors
    /// 400 naming the field that cannot be used.
    pub(super) fn checked(self) -> Result<(String, Option<String>), ApiError> {
        if !STATUSES.contains(&self.status.as_str()) {
            return Err(ApiError::field("status", "is not a status"));
        }
        let reason = self.reason.map(|reason| reason.trim().to_owned()).filter(|reason| !reason.is_empty());
        if reason.as_ref().is_some_and(|reason| reason.chars().count() > LONGEST_REASON) {
            return Err(ApiError::field("reason", "is longer than 500 characters"));
        }
        if reason.as_ref().is_some_and(|reason| reason.contains('\0')) {
            return Err(ApiError::field("reason", "has control characters"));
        }
        Ok((self.status, reason))
    }
}
