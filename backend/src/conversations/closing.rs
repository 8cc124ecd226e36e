//! Closing ends a wait, and whoever closes can take something else; opening again starts with a clock that stands still
//! until the lead writes.

use serde_json::json;

use super::scope::{Locked, Scope};
use crate::assignment::queue;
use crate::error::ApiError;
use crate::notifications;
use crate::tenant::Transaction;

/// Closes a conversation; one that is closed stays so.
///
/// # Errors
/// 404 outside the scope.
pub(crate) async fn close(
    transaction: &mut Transaction,
    scope: Scope,
    id: uuid::Uuid,
) -> Result<(), ApiError> {
    let conversation = Locked::take(transaction, scope, id).await?;
    if conversation.closed_at.is_some() {
        return Ok(());
    }
    mark(transaction, &conversation, "closed").await?;
    notifications::answered(transaction, id).await?;
    if conversation.assigned_seller_id.is_some() && queue::enter(transaction).await? {
        queue::refill(transaction).await?;
    }
    Ok(())
}

/// Opens a closed conversation; one that is open stays so.
///
/// # Errors
/// 404 outside the scope, 409 `conversation_open` when another one of the same person is open on that channel.
pub(crate) async fn reopen(
    transaction: &mut Transaction,
    scope: Scope,
    id: uuid::Uuid,
) -> Result<(), ApiError> {
    let conversation = Locked::take(transaction, scope, id).await?;
    if conversation.closed_at.is_none() {
        return Ok(());
    }
    let tenant_id = transaction.tenant_id();
    let other: Option<uuid::Uuid> = sqlx::query_scalar(
        "SELECT o.id FROM conversations o JOIN conversations c
           ON c.tenant_id = o.tenant_id AND c.channel = o.channel AND c.lead_id = o.lead_id
         WHERE c.tenant_id = $1 AND c.id = $2 AND o.closed_at IS NULL AND o.id <> c.id",
    )
    .bind(tenant_id)
    .bind(id)
    .fetch_optional(transaction.db())
    .await?;
    if let Some(other) = other {
        let message = "another conversation with this person is open on this channel";
        return Err(ApiError::conflict("conversation_open", message, json!({ "conversation_id": other })));
    }
    mark(transaction, &conversation, "reopened").await?;
    Ok(())
}

async fn mark(transaction: &mut Transaction, conversation: &Locked, kind: &str) -> Result<(), sqlx::Error> {
    let (tenant_id, actor) = (transaction.tenant_id(), transaction.actor());
    sqlx::query(
        "WITH marked AS (
           INSERT INTO conversation_history (tenant_id, conversation_id, kind, changed_by, changed_at)
           VALUES ($1, $2, $3, $4, clock_timestamp()) RETURNING kind, changed_at)
         UPDATE conversations c
         SET closed_at = CASE WHEN marked.kind = 'closed' THEN marked.changed_at END, updated_at = marked.changed_at,
             waiting_since = NULL, response_warn_at = NULL, response_due_at = NULL
         FROM marked WHERE c.tenant_id = $1 AND c.id = $2",
    )
    .bind(tenant_id)
    .bind(conversation.id)
    .bind(kind)
    .bind(actor)
    .execute(transaction.db())
    .await?;
    transaction.touched().conversation(conversation.id);
    Ok(())
}
