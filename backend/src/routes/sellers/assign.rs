//! `/admin/core/sellers/conversations/{id}/…`: who owns it. A vendedor takes what nobody owns; a CEO gives, moves and
//! releases. Of two who are quick one wins, and the other is told who.

use axum::Json;
use axum::extract::Path;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::FromRow;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::assignment::{self, Change, Reason, Subject};
use crate::conversations::{Locked, Scope};
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Body, Id};
use crate::tenant::{Tenant, Transaction};

/// Assignments shown.
const MOST: i64 = 50;

/// To whom.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AssignTo {
    /// The vendedor; for a vendedor themselves it may be left out.
    seller_id: Option<Uuid>,
}

/// To whom it moves on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReassignTo {
    /// The vendedor; null: back to the queue.
    seller_id: Option<Uuid>,
}

/// Who owns a conversation now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Owner {
    /// The vendedor; null: in the queue.
    assigned_seller_id: Option<Uuid>,
    /// Who had it before.
    previous_seller_id: Option<Uuid>,
}

/// The owner, and how it came to that.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Assignment {
    /// The vendedor; null: in the queue.
    assigned_seller_id: Option<Uuid>,
    /// Assignments, newest first, at most 50.
    log: Vec<LogEntry>,
}

/// One assignment.
#[derive(Debug, Serialize, FromRow, ToSchema)]
pub(crate) struct LogEntry {
    from_seller_id: Option<Uuid>,
    to_seller_id: Option<Uuid>,
    /// Who did it; null: a rule.
    assigned_by: Option<Uuid>,
    /// Name of the rule that chose.
    rule: Option<String>,
    /// `manual`, `claimed`, `rule`, `reassigned` or `released`.
    reason: String,
    /// Each candidate with why it was chosen or passed over.
    #[schema(value_type = Vec<Object>)]
    candidates: Value,
    created_at: DateTime<Utc>,
}

/// Gives a conversation that nobody owns to a vendedor; a vendedor takes it.
#[utoipa::path(post, path = "/admin/core/sellers/conversations/{id}/assign", tag = "assignment",
    params(("id" = Uuid, Path, description = "The conversation")), request_body = AssignTo, responses(
        (status = OK, body = Owner),
        (status = BAD_REQUEST, body = ErrorBody),
        (status = FORBIDDEN, description = "A vendedor assigns to themselves only", body = ErrorBody),
        (status = NOT_FOUND, body = ErrorBody),
        (status = CONFLICT, description = "`already_assigned`, with the winner", body = ErrorBody),
    ))]
pub(crate) async fn assign(
    Path(Id(id)): Path<Id>,
    mut tenant: Tenant,
    Body(AssignTo { seller_id }): Body<AssignTo>,
) -> Result<Json<Owner>, ApiError> {
    let caller = tenant.caller();
    let (seller, reason) = if caller.role.is_seller() {
        if seller_id.is_some_and(|seller| seller != caller.user_id) {
            return Err(ApiError::forbidden());
        }
        (caller.user_id, Reason::Claimed)
    } else {
        let seller = seller_id.ok_or_else(|| ApiError::field("seller_id", "is missing"))?;
        (seller, Reason::Manual)
    };
    hand_over(tenant.transaction(), id, &Change::to(seller, reason)).await
}

/// Moves a conversation on, or back to the queue.
#[utoipa::path(post, path = "/admin/core/sellers/conversations/{id}/reassign", tag = "assignment",
    params(("id" = Uuid, Path, description = "The conversation")), request_body = ReassignTo, responses(
        (status = OK, body = Owner), (status = BAD_REQUEST, body = ErrorBody), (status = NOT_FOUND, body = ErrorBody),
    ))]
pub(crate) async fn reassign(
    Path(Id(id)): Path<Id>,
    mut tenant: Tenant,
    Body(ReassignTo { seller_id }): Body<ReassignTo>,
) -> Result<Json<Owner>, ApiError> {
    let change = seller_id.map_or_else(Change::release, |seller| Change::to(seller, Reason::Reassigned));
    hand_over(tenant.transaction(), id, &change).await
}

/// Who owns a conversation, and why.
#[utoipa::path(get, path = "/admin/core/sellers/conversations/{id}/assignment", tag = "assignment",
    params(("id" = Uuid, Path, description = "The conversation"), ("tenant_id" = Option<i32>, Query, description = "Must be the caller's own")),
    responses((status = OK, body = Assignment), (status = NOT_FOUND, body = ErrorBody)))]
pub(crate) async fn assignment(
    Path(Id(id)): Path<Id>,
    mut tenant: Tenant,
) -> Result<Json<Assignment>, ApiError> {
    let caller = tenant.caller();
    let scope = Scope::of(&caller);
    let found: Option<(Option<Uuid>, Option<Uuid>)> = sqlx::query_as(
        "SELECT assigned_seller_id, lead_id FROM conversations
         WHERE tenant_id = $1 AND id = $2 AND ($3::uuid IS NULL OR assigned_seller_id = $3 OR assigned_seller_id IS NULL)",
    )
    .bind(caller.tenant_id)
    .bind(id)
    .bind(scope.seller())
    .fetch_optional(tenant.db())
    .await?;
    let (assigned_seller_id, lead_id) = found.ok_or_else(ApiError::not_found)?;
    let log = sqlx::query_as(
        "SELECT a.from_seller_id, a.to_seller_id, a.assigned_by, r.name AS rule, a.reason, a.candidates, a.created_at
         FROM assignment_log a LEFT JOIN assignment_rules r ON r.tenant_id = a.tenant_id AND r.id = a.rule_id
         WHERE a.tenant_id = $1 AND (a.conversation_id = $2 OR a.lead_id = $3)
         ORDER BY a.created_at DESC, a.id DESC LIMIT $4",
    )
    .bind(caller.tenant_id)
    .bind(id)
    .bind(lead_id)
    .bind(MOST)
    .fetch_all(tenant.db())
    .await?;
    Ok(Json(Assignment { assigned_seller_id, log }))
}

/// The change, once its new owner is known to be a vendedor who works here.
async fn hand_over(
    transaction: &mut Transaction,
    id: Uuid,
    change: &Change,
) -> Result<Json<Owner>, ApiError> {
    let conversation = Locked::take(transaction, Scope::Tenant, id).await?;
    if let Some(seller) = change.to {
        assignment::refuse_unless_seller(transaction, seller).await?;
    }
    let subject = Subject::of_conversation(&conversation);
    let before = assignment::change(transaction, subject, change).await?;
    let assigned_seller_id = owner_now(transaction, id).await?;
    Ok(Json(Owner { assigned_seller_id, previous_seller_id: before.owner }))
}

/// Of what went back to the queue a rule may have made somebody else the owner already.
async fn owner_now(transaction: &mut Transaction, id: Uuid) -> Result<Option<Uuid>, sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    sqlx::query_scalar("SELECT assigned_seller_id FROM conversations WHERE tenant_id = $1 AND id = $2")
        .bind(tenant_id)
        .bind(id)
        .fetch_one(transaction.db())
        .await
}
