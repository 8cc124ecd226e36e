//! Who owns a lead or a conversation. One person has one owner: a conversation with a known lead is owned by whoever
//! owns the lead, and goes with it. Every change is logged with its reason. Rules and strategies decide below
//! (`decision`, `queue`); this is the one way a decision becomes rows.
//!
//! Length: the one way in which an owner changes, from the question to what is told of it.

pub(crate) mod candidate;
pub(crate) mod decision;
pub(crate) mod queue;
pub(crate) mod rule;
pub(crate) mod strategy;
mod work;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::FromRow;
use uuid::Uuid;

use crate::conversations::Locked;
use crate::error::ApiError;
use crate::notifications;
use crate::outbox::{self, Audience, Event};
use crate::tenant::Transaction;

/// What is owned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A lead, and every conversation with it, closed ones included: who answers next must see what was said.
    Lead(Uuid),
    /// A conversation with somebody who is no lead yet.
    Stranger(Uuid),
}

impl Subject {
    /// The subject behind a conversation.
    pub(crate) fn of_conversation(conversation: &Locked) -> Self {
        conversation.lead_id.map_or(Self::Stranger(conversation.id), Self::Lead)
    }

    fn lead(self) -> Option<Uuid> {
        match self {
            Self::Lead(id) => Some(id),
            Self::Stranger(_) => None,
        }
    }

    fn stranger(self) -> Option<Uuid> {
        match self {
            Self::Lead(_) => None,
            Self::Stranger(id) => Some(id),
        }
    }
}

/// Why somebody became the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// A CEO gave it.
    Manual,
    /// The vendedor took it.
    Claimed,
    /// A rule chose.
    Rule,
    /// A CEO moved it on.
    Reassigned,
    /// It went back to the queue.
    Released,
}

impl Reason {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Claimed => "claimed",
            Self::Rule => "rule",
            Self::Reassigned => "reassigned",
            Self::Released => "released",
        }
    }
}

/// A decision.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    /// The new owner; none: back to the queue.
    pub(crate) to: Option<Uuid>,
    pub(crate) reason: Reason,
    /// The rule that chose.
    pub(crate) rule_id: Option<Uuid>,
    /// Each candidate with why it was chosen or passed over.
    pub(crate) candidates: Value,
}

impl Change {
    /// To one person, by a person.
    pub(crate) fn to(seller: Uuid, reason: Reason) -> Self {
        Self { to: Some(seller), reason, rule_id: None, candidates: json!([]) }
    }

    /// Back to the queue.
    pub(crate) fn release() -> Self {
        Self { to: None, reason: Reason::Released, rule_id: None, candidates: json!([]) }
    }

    /// Who does it in this transaction; nobody when a rule does, whoever made it look.
    fn by(&self, transaction: &Transaction) -> Option<Uuid> {
        transaction.actor().filter(|_| self.reason != Reason::Rule)
    }

    /// Whether it may only take what nobody owns.
    fn only_free(&self) -> bool {
        matches!(self.reason, Reason::Claimed | Reason::Manual)
    }
}

/// Who owned it before.
#[derive(Debug, Clone, Copy, FromRow)]
pub(crate) struct Before {
    pub(crate) owner: Option<Uuid>,
}

/// The row of the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Logged {
    pub(crate) id: i64,
    pub(crate) created_at: DateTime<Utc>,
}

/// Somebody who can own a lead.
///
/// # Errors
/// 400 naming `seller_id` when there is no such active vendedor in the tenant.
pub(crate) async fn refuse_unless_seller(
    transaction: &mut Transaction,
    seller: Uuid,
) -> Result<(), ApiError> {
    let tenant_id = transaction.tenant_id();
    let works: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM users
           WHERE tenant_id = $1 AND id = $2 AND role IN ('setter', 'closer') AND status = 'active')",
    )
    .bind(tenant_id)
    .bind(seller)
    .fetch_one(transaction.db())
    .await?;
    if works { Ok(()) } else { Err(ApiError::field("seller_id", "is no active vendedor of this tenant")) }
}

/// Makes the change; nothing when it is so already. Whose place it takes can take something else then.
///
/// # Errors
/// 404 for what is not there, 409 `already_assigned` with the winner when somebody was first.
pub(crate) async fn change(
    transaction: &mut Transaction,
    subject: Subject,
    change: &Change,
) -> Result<Before, ApiError> {
    let before = admit(transaction, subject, change).await?;
    if before.owner != change.to {
        // Before a lead is written, see `queue`.
        let frees = before.owner.is_some() && queue::enter(transaction).await?;
        record(transaction, subject, before, change).await?;
        if frees {
            queue::refill(transaction).await?;
        }
    }
    Ok(before)
}

/// The same as one of many, which keep nobody out of the queue meanwhile: the sweep fills what they free.
///
/// # Errors
/// As [`change`].
pub(crate) async fn change_one(
    transaction: &mut Transaction,
    subject: Subject,
    change: &Change,
) -> Result<Before, ApiError> {
    let before = admit(transaction, subject, change).await?;
    if before.owner != change.to {
        record(transaction, subject, before, change).await?;
    }
    Ok(before)
}

/// Holds the subject and lets the change through, or says who was first.
async fn admit(transaction: &mut Transaction, subject: Subject, change: &Change) -> Result<Before, ApiError> {
    let before = hold(transaction, subject).await?.ok_or_else(ApiError::not_found)?;
    match before.owner.filter(|owner| change.only_free() && Some(*owner) != change.to) {
        Some(winner) => Err(taken(transaction, winner).await?),
        None => Ok(before),
    }
}

/// Writes a change of what the caller holds, and tells everybody concerned.
async fn record(
    transaction: &mut Transaction,
    subject: Subject,
    before: Before,
    change: &Change,
) -> Result<Logged, sqlx::Error> {
    let logged = write(transaction, subject, before, change).await?;
    notifications::reassigned(transaction, subject, before.owner).await?;
    tell(transaction, subject, before, change).await?;
    Ok(logged)
}

/// Holds the row until the transaction ends, so that of two who claim one wins.
async fn hold(transaction: &mut Transaction, subject: Subject) -> Result<Option<Before>, sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    let (sql, id) = match subject {
        Subject::Lead(id) => (
            "SELECT assigned_seller_id AS owner FROM leads WHERE tenant_id = $1 AND id = $2 AND merged_into IS NULL FOR NO KEY UPDATE",
            id,
        ),
        Subject::Stranger(id) => (
            "SELECT assigned_seller_id AS owner FROM conversations WHERE tenant_id = $1 AND id = $2 FOR UPDATE",
            id,
        ),
    };
    sqlx::query_as(sql).bind(tenant_id).bind(id).fetch_optional(transaction.db()).await
}

/// The conflict that names who was first.
pub(crate) async fn taken(transaction: &mut Transaction, winner: Uuid) -> Result<ApiError, sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    let name: Option<String> = sqlx::query_scalar(
        "SELECT btrim(first_name || ' ' || last_name) FROM users WHERE tenant_id = $1 AND id = $2",
    )
    .bind(tenant_id)
    .bind(winner)
    .fetch_optional(transaction.db())
    .await?;
    let details = json!({ "assigned_seller_id": winner, "assigned_seller_name": name });
    Ok(ApiError::conflict("already_assigned", "somebody else was first", details))
}

/// The owner in every row it stands in. Only from the owner before: no row, no change and no log.
async fn write(
    transaction: &mut Transaction,
    subject: Subject,
    before: Before,
    change: &Change,
) -> Result<Logged, sqlx::Error> {
    let (tenant_id, actor) = (transaction.tenant_id(), change.by(transaction));
    let logged: Option<(i64, DateTime<Utc>, Vec<Uuid>)> = sqlx::query_as(
        "WITH lead AS (
           UPDATE leads SET assigned_seller_id = $4, assigned_at = CASE WHEN $4::uuid IS NOT NULL THEN now() END, updated_at = now()
           WHERE tenant_id = $1 AND id = $2 AND assigned_seller_id IS NOT DISTINCT FROM $5 RETURNING id),
         threads AS (
           UPDATE conversations
           SET assigned_seller_id = $4, assigned_at = CASE WHEN $4::uuid IS NOT NULL THEN now() END, updated_at = now()
           WHERE tenant_id = $1
             AND (lead_id = (SELECT id FROM lead) OR (id = $3 AND assigned_seller_id IS NOT DISTINCT FROM $5))
           RETURNING id),
         owner AS (
           INSERT INTO owner_history (tenant_id, lead_id, from_seller_id, to_seller_id, changed_by, reason)
           SELECT $1, id, $5, $4, $6, $7 FROM lead),
         log AS (
           INSERT INTO assignment_log
             (tenant_id, lead_id, conversation_id, from_seller_id, to_seller_id, assigned_by, reason, rule_id, candidates,
              created_at)
           SELECT $1, $2, $3, $5, $4, $6, $7, $8, $9, clock_timestamp()
           WHERE EXISTS (SELECT FROM lead) OR EXISTS (SELECT FROM threads WHERE id = $3)
           RETURNING id, created_at)
         SELECT id, created_at, ARRAY(SELECT id FROM threads) FROM log",
    )
    .bind(tenant_id)
    .bind(subject.lead())
    .bind(subject.stranger())
    .bind(change.to)
    .bind(before.owner)
    .bind(actor)
    .bind(change.reason.name())
    .bind(change.rule_id)
    .bind(&change.candidates)
    .fetch_optional(transaction.db())
    .await?;
    let (id, created_at, threads) = logged.ok_or(sqlx::Error::RowNotFound)?;
    let touched = transaction.touched();
    threads.into_iter().for_each(|thread| touched.conversation(thread));
    subject.lead().into_iter().for_each(|lead| touched.lead(lead));
    Ok(Logged { id, created_at })
}

/// The old owner, the new one and the CEOs hear of it; the new owner and the CEOs find a notification.
async fn tell(
    transaction: &mut Transaction,
    subject: Subject,
    before: Before,
    change: &Change,
) -> Result<(), sqlx::Error> {
    let payload = json!({
        "lead_id": subject.lead(), "conversation_id": subject.stranger(),
        "from_seller_id": before.owner, "to_seller_id": change.to, "reason": change.reason.name(),
    });
    let event = Event::SellerAssignmentUpdated;
    outbox::publish(transaction, event, Audience::Owner(change.to), &payload).await?;
    if let Some(old) = before.owner.filter(|_| change.to.is_some()) {
        outbox::publish(transaction, event, Audience::Person(old), &payload).await?;
    }
    match change.to {
        Some(owner) => {
            notifications::assigned(transaction, subject, owner, change.reason, change.by(transaction)).await
        }
        None => Ok(()),
    }
}
