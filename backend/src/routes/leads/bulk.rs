//! `POST /crm/leads/bulk`: one thing done to many leads, each with its own result: one that cannot be changed spoils no
//! other. The leads are named, or are all that a filter lets through.

mod action;
mod which;

use std::collections::HashSet;

use axum::Json;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use action::Action;
pub(crate) use which::which;

use super::filter::Parameters;
use super::queries::Within;
use super::status::NewStatus;
use crate::audit;
use crate::conversations::Scope;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Body;
use crate::tenant::{Tenant, Transaction};

/// Which leads, and what to do to them: exactly one of `lead_ids` and `filter`, and one of `assign`, `status` and `tag`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bulk {
    /// 1 to 1,000 leads.
    lead_ids: Option<Vec<Uuid>>,
    /// The parameters of the list, without `limit` and `cursor`; it may let through 1,000 leads.
    #[schema(value_type = Option<Object>)]
    filter: Option<Parameters>,
    assign: Option<BulkAssign>,
    status: Option<NewStatus>,
    tag: Option<BulkTags>,
}

/// To whom.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BulkAssign {
    /// The vendedor; for a vendedor themselves it may be left out.
    pub(crate) seller_id: Option<Uuid>,
    /// `true`: takes it from whoever owns it; for a CEO only.
    #[serde(default)]
    pub(crate) reassign: bool,
}

/// Which tags.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BulkTags {
    /// Tags that each lead has afterwards.
    #[serde(default)]
    add: Vec<String>,
    /// Tags that none has afterwards.
    #[serde(default)]
    remove: Vec<String>,
}

/// What became of each.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BulkResults {
    /// One per lead: in the order they were asked for, or in the order of the list.
    results: Vec<BulkResult>,
    /// How many are as they should be.
    done: usize,
}

/// What became of one lead.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BulkResult {
    lead_id: Uuid,
    /// Whether it is as it should be.
    done: bool,
    /// Why not, as the code of an error.
    error: Option<&'static str>,
    /// What a program needs to go on, as the winner of a conflict.
    #[schema(value_type = Option<Object>)]
    details: Option<Value>,
}

/// Does one thing to many leads.
#[utoipa::path(post, path = "/crm/leads/bulk", tag = "leads", request_body = Bulk, responses(
    (status = OK, description = "A result per lead", body = BulkResults),
    (status = BAD_REQUEST, body = ErrorBody),
    (status = FORBIDDEN, description = "A vendedor assigns to themselves only, and takes from nobody", body = ErrorBody),
))]
pub(crate) async fn bulk(
    mut tenant: Tenant,
    Body(request): Body<Bulk>,
) -> Result<Json<BulkResults>, ApiError> {
    let caller = tenant.caller();
    let scope = Scope::of(&caller);
    let Bulk { lead_ids, filter, assign, status, tag } = request;
    let action = Action::of(tenant.transaction(), &caller, assign, status, tag).await?;
    let asked = which(tenant.transaction(), Within { meta: false, scope }, lead_ids, filter).await?;
    let results = all(tenant.transaction(), scope, &action, &asked).await?;
    let done: Vec<Uuid> = results.iter().filter(|result| result.done).map(|result| result.lead_id).collect();
    let details =
        json!({ "action": action.name(), "asked": asked.len(), "done": done.len(), "lead_ids": done });
    let entry = audit::Entry { action: "leads.bulk", entity: None, details: &details };
    audit::record(tenant.transaction(), entry).await?;
    Ok(Json(BulkResults { done: done.len(), results }))
}

/// Does it to each of them, which are held.
async fn all(
    transaction: &mut Transaction,
    scope: Scope,
    action: &Action,
    asked: &[Uuid],
) -> Result<Vec<BulkResult>, ApiError> {
    let visible = visible(transaction, scope, asked).await?;
    let mut results = Vec::with_capacity(asked.len());
    transaction.mark().await?;
    for id in asked {
        let outcome = if visible.contains(id) {
            one(transaction, scope, action, *id).await?
        } else {
            Err(ApiError::not_found())
        };
        let (error, details) = match outcome {
            Ok(()) => (None, None),
            Err(error) => (Some(error.code), error.details.map(|details| *details)),
        };
        results.push(BulkResult { lead_id: *id, done: error.is_none(), error, details });
    }
    Ok(results)
}

/// One lead; what it wrote is taken back when it fails. The outer error is a database that answers no more.
async fn one(
    transaction: &mut Transaction,
    scope: Scope,
    action: &Action,
    id: Uuid,
) -> Result<Result<(), ApiError>, ApiError> {
    let outcome = action.act(transaction, scope, id).await;
    if outcome.is_ok() {
        transaction.keep().await?
    } else {
        transaction.undo().await?
    }
    Ok(outcome)
}

/// Those of them that the caller may see.
async fn visible(
    transaction: &mut Transaction,
    scope: Scope,
    ids: &[Uuid],
) -> Result<HashSet<Uuid>, sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    let found: Vec<Uuid> = sqlx::query_scalar(
        "SELECT id FROM leads WHERE tenant_id = $1 AND id = ANY($2) AND merged_into IS NULL
           AND ($3::uuid IS NULL OR assigned_seller_id = $3 OR assigned_seller_id IS NULL)",
    )
    .bind(tenant_id)
    .bind(ids)
    .bind(scope.seller())
    .fetch_all(transaction.db())
    .await?;
    Ok(found.into_iter().collect())
}
