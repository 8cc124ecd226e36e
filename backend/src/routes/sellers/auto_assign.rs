//! `POST /admin/core/sellers/conversations/{id}/auto-assign`: the rules decide now, without waiting for the sweep.

use axum::Json;
use axum::extract::Path;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::assignment::decision::Verdict;
use crate::assignment::{self, Subject, queue};
use crate::conversations::{Locked, Scope};
use crate::error::{ApiError, ErrorBody};
use crate::extract::Id;
use crate::tenant::Tenant;

/// Who got it, and why.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AutoAssigned {
    /// The new owner.
    assigned_seller_id: Uuid,
    /// The rule that chose.
    rule_id: Uuid,
    /// Each candidate with why it was chosen or passed over.
    candidates: Vec<Verdict>,
}

/// Gives a conversation that nobody owns to whom the rules choose.
#[utoipa::path(post, path = "/admin/core/sellers/conversations/{id}/auto-assign", tag = "assignment",
    params(("id" = Uuid, Path, description = "The conversation")), responses(
        (status = OK, body = AutoAssigned),
        (status = NOT_FOUND, body = ErrorBody),
        (status = CONFLICT, description = "`already_assigned`, with the winner; `no_rules`; `nobody_available`, with each candidate's reason", body = ErrorBody),
    ))]
pub(crate) async fn auto_assign(
    Path(Id(id)): Path<Id>,
    mut tenant: Tenant,
) -> Result<Json<AutoAssigned>, ApiError> {
    let transaction = tenant.transaction();
    let conversation = Locked::take(transaction, Scope::Tenant, id).await?;
    if let Some(winner) = conversation.assigned_seller_id {
        return Err(assignment::taken(transaction, winner).await?);
    }
    if !queue::enter(transaction).await? {
        return Err(ApiError::conflict("no_rules", "there is no active rule", json!({})));
    }
    let subject = Subject::of_conversation(&conversation);
    let decision = queue::decide_now(transaction, subject).await?;
    let (chosen, candidates) =
        decision.map_or((None, vec![]), |decision| (decision.chosen, decision.verdicts));
    match chosen {
        Some((rule_id, assigned_seller_id)) => {
            Ok(Json(AutoAssigned { assigned_seller_id, rule_id, candidates }))
        }
        None => {
            let message = "no rule has anybody for it now";
            Err(ApiError::conflict("nobody_available", message, json!({ "candidates": candidates })))
        }
    }
}
