//! A person answers. Nobody answers blind: who writes says which message they saw last, and a newer one of the lead
//! stands against it. Answering in a conversation of the queue takes it.

use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

use super::scope::{Locked, Scope};
use crate::assignment::{self, Change, Reason, Subject};
use crate::error::ApiError;
use crate::notifications;
use crate::outbox::{self, Audience, Event};
use crate::tenant::Transaction;

/// What a person wants to say.
#[derive(Debug)]
pub(crate) struct Reply {
    /// Where.
    pub(crate) conversation_id: Uuid,
    /// What.
    pub(crate) body: String,
    /// Id of the last message they saw; none: they saw none.
    pub(crate) seen_up_to: Option<i64>,
    /// Who writes.
    pub(crate) author: Uuid,
    /// Whether they are a vendedor, who takes what nobody owns.
    pub(crate) takes: bool,
}

/// A stored answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    pub(crate) message_id: i64,
    pub(crate) created_at: DateTime<Utc>,
}

/// Stores an answer; whoever waited waits no more.
///
/// # Errors
/// 404 outside the scope, 409 `conversation_closed`, 409 `newer_message` with the message that was not seen.
pub(crate) async fn send(
    transaction: &mut Transaction,
    scope: Scope,
    reply: &Reply,
) -> Result<Sent, ApiError> {
    let conversation = Locked::take(transaction, scope, reply.conversation_id).await?;
    if conversation.closed_at.is_some() {
        let details = json!({ "conversation_id": conversation.id });
        return Err(ApiError::conflict(
            "conversation_closed",
            "the conversation is closed, reopen it first",
            details,
        ));
    }
    refuse_blind(transaction, reply).await?;
    if conversation.assigned_seller_id.is_none() && reply.takes {
        let subject = Subject::of_conversation(&conversation);
        assignment::change(transaction, subject, &Change::to(reply.author, Reason::Claimed)).await?;
    }
    let sent = store(transaction, &conversation, reply).await?;
    let touched = transaction.touched();
    touched.conversation(conversation.id);
    touched.message(sent.message_id);
    conversation.lead_id.into_iter().for_each(|lead| touched.lead(lead));
    notifications::answered(transaction, conversation.id).await?;
    let payload = json!({
        "conversation_id": conversation.id, "message_id": sent.message_id,
        "lead_id": conversation.lead_id, "direction": "outbound",
    });
    let owner = conversation.assigned_seller_id.or(reply.takes.then_some(reply.author));
    outbox::publish(transaction, Event::NewMessage, Audience::Owner(owner), &payload).await?;
    Ok(sent)
}

/// A message of the lead that is newer than what the author saw.
async fn refuse_blind(transaction: &mut Transaction, reply: &Reply) -> Result<(), ApiError> {
    let tenant_id = transaction.tenant_id();
    let unseen: Option<(i64, DateTime<Utc>)> = sqlx::query_as(
        "SELECT id, created_at FROM messages
         WHERE tenant_id = $1 AND conversation_id = $2 AND direction = 'inbound' AND id > $3
         ORDER BY id DESC LIMIT 1",
    )
    .bind(tenant_id)
    .bind(reply.conversation_id)
    .bind(reply.seen_up_to.unwrap_or(0))
    .fetch_optional(transaction.db())
    .await?;
    let Some((message_id, created_at)) = unseen else { return Ok(()) };
    let details = json!({ "message_id": message_id, "created_at": created_at });
    Err(ApiError::conflict("newer_message", "there is a newer message, read it first", details))
}

async fn store(
    transaction: &mut Transaction,
    conversation: &Locked,
    reply: &Reply,
) -> Result<Sent, sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    let (message_id, created_at): (i64, DateTime<Utc>) = sqlx::query_as(
        "INSERT INTO messages (tenant_id, conversation_id, direction, author, author_id, body, delivery, created_at)
         VALUES ($1, $2, 'outbound', 'user', $3, $4, 'sent', clock_timestamp()) RETURNING id, created_at",
    )
    .bind(tenant_id)
    .bind(conversation.id)
    .bind(reply.author)
    .bind(&reply.body)
    .fetch_one(transaction.db())
    .await?;
    sqlx::query(
        "WITH answered AS (
           UPDATE conversations SET last_message_at = $3, updated_at = $3, waiting_since = NULL,
                  response_warn_at = NULL, response_due_at = NULL
           WHERE tenant_id = $1 AND id = $2),
         read AS (
           INSERT INTO conversation_reads AS r (tenant_id, conversation_id, user_id, read_up_to)
           VALUES ($1, $2, $5, $6)
           ON CONFLICT (tenant_id, conversation_id, user_id)
           DO UPDATE SET read_up_to = greatest(r.read_up_to, EXCLUDED.read_up_to), read_at = now())
         UPDATE leads SET first_response_at = $3, updated_at = $3
         WHERE tenant_id = $1 AND id = $4 AND first_response_at IS NULL",
    )
    .bind(tenant_id)
    .bind(conversation.id)
    .bind(created_at)
    .bind(conversation.lead_id)
    .bind(reply.author)
    .bind(message_id)
    .execute(transaction.db())
    .await?;
    Ok(Sent { message_id, created_at })
}
