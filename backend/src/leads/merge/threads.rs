//! The conversations of two leads that become one. At most one may be open per channel: the one that was quiet for longer
//! is closed, and a wait in it goes on in the other, since somebody still waits.

use chrono::{DateTime, Utc};
use sqlx::FromRow;
use uuid::Uuid;

use crate::notifications;
use crate::tenant::Transaction;

/// An open conversation of one of the two, held.
#[derive(Debug, FromRow)]
struct Open {
    id: Uuid,
    channel: String,
    waiting_since: Option<DateTime<Utc>>,
    response_warn_at: Option<DateTime<Utc>>,
    response_due_at: Option<DateTime<Utc>>,
}

/// Moves all conversations of `from` to `into` and its owner; gives how many.
///
/// # Errors
/// When the database did not take it.
pub(super) async fn join(transaction: &mut Transaction, from: Uuid, into: Uuid) -> Result<u64, sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    let open: Vec<Open> = sqlx::query_as(
        "SELECT id, channel, waiting_since, response_warn_at, response_due_at FROM conversations
         WHERE tenant_id = $1 AND lead_id IN ($2, $3) AND closed_at IS NULL
         ORDER BY channel, last_message_at DESC, id DESC FOR UPDATE",
    )
    .bind(tenant_id)
    .bind(from)
    .bind(into)
    .fetch_all(transaction.db())
    .await?;
    // Of each channel the one with the newest message comes first.
    for pair in open.windows(2).filter(|pair| pair[0].channel == pair[1].channel) {
        close(transaction, &pair[0], &pair[1]).await?;
    }
    let moved = sqlx::query(
        "UPDATE conversations c
         SET lead_id = s.id, assigned_seller_id = s.assigned_seller_id, assigned_at = s.assigned_at, updated_at = now()
         FROM leads s WHERE c.tenant_id = $1 AND c.lead_id = $2 AND s.tenant_id = $1 AND s.id = $3",
    )
    .bind(tenant_id)
    .bind(from)
    .bind(into)
    .execute(transaction.db())
    .await?;
    Ok(moved.rows_affected())
}

async fn close(transaction: &mut Transaction, stays: &Open, goes: &Open) -> Result<(), sqlx::Error> {
    let (tenant_id, actor) = (transaction.tenant_id(), transaction.actor());
    sqlx::query(
        "WITH closed AS (
           UPDATE conversations SET closed_at = clock_timestamp(), updated_at = now(), waiting_since = NULL,
                  response_warn_at = NULL, response_due_at = NULL
           WHERE tenant_id = $1 AND id = $2 RETURNING closed_at),
         noted AS (
           INSERT INTO conversation_history (tenant_id, conversation_id, kind, changed_by, changed_at)
           SELECT $1, $2, 'closed', $3, closed_at FROM closed)
         UPDATE conversations
         SET waiting_since = least(waiting_since, $5), response_warn_at = least(response_warn_at, $6),
             response_due_at = least(response_due_at, $7)
         WHERE tenant_id = $1 AND id = $4",
    )
    .bind(tenant_id)
    .bind(goes.id)
    .bind(actor)
    .bind(stays.id)
    .bind(goes.waiting_since)
    .bind(goes.response_warn_at)
    .bind(goes.response_due_at)
    .execute(transaction.db())
    .await?;
    notifications::answered(transaction, goes.id).await
}
