//! A message from outside becomes a row: exactly once per id of its provider, in the one open conversation of who
//! wrote, with the clock of the answer started. A person who is not known yet becomes a lead when a phone number
//! tells who it is.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::FromRow;
use uuid::Uuid;

use crate::assignment::{Subject, queue};
use crate::outbox::{self, Audience, Event};
use crate::phone::Phone;
use crate::tenant::{Profile, Transaction};

/// A message as a channel delivers it.
#[derive(Debug, Clone)]
pub(crate) struct Inbound {
    /// `whatsapp`, `instagram`, `messenger`, `web` or `email`.
    pub(crate) channel: &'static str,
    /// Who carried it.
    pub(crate) provider: String,
    /// Its id there.
    pub(crate) provider_message_id: String,
    /// Who wrote: a phone number, or an account of the channel.
    pub(crate) contact: String,
    /// The same as a phone number, where it is one.
    pub(crate) phone: Option<Phone>,
    /// What the channel calls them.
    pub(crate) name: Option<String>,
    /// What they wrote.
    pub(crate) body: String,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub(crate) struct Received {
    pub(crate) message_id: i64,
    pub(crate) conversation_id: Uuid,
    pub(crate) lead_id: Option<Uuid>,
    /// Whether it had been stored before.
    pub(crate) repeated: bool,
}

/// The thread it belongs to.
#[derive(Debug, FromRow)]
struct Thread {
    id: Uuid,
    assigned_seller_id: Option<Uuid>,
    waiting_since: Option<DateTime<Utc>>,
    /// Whether this message opens it.
    born: bool,
}

/// A lead who writes.
#[derive(Debug, Clone, FromRow)]
struct Writer {
    id: Uuid,
    lead_source: String,
    assigned_seller_id: Option<Uuid>,
    assigned_at: Option<DateTime<Utc>>,
}

/// Stores a message, unless it was stored before.
///
/// # Errors
/// When the database did not take it.
pub(crate) async fn receive(
    transaction: &mut Transaction,
    inbound: &Inbound,
) -> Result<Received, sqlx::Error> {
    // One after the other per id, so that a repeat finds the first; then per person: two first messages at once would
    // open two threads. Everybody takes them in this order.
    let tenant_id = transaction.tenant_id();
    let locks = [
        format!("message:{}:{}", inbound.provider, inbound.provider_message_id),
        format!("person:{}:{}", inbound.channel, inbound.contact),
    ];
    for lock in locks {
        sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, $2))")
            .bind(lock)
            .bind(i64::from(tenant_id))
            .execute(transaction.db())
            .await?;
    }
    if let Some(known) = repeated(transaction, inbound).await? {
        return Ok(known);
    }
    let writer = writer(transaction, inbound).await?;
    let thread = thread(transaction, inbound, writer.as_ref()).await?;
    let (message_id, at): (i64, DateTime<Utc>) = sqlx::query_as(
        "INSERT INTO messages (tenant_id, conversation_id, direction, author, body, provider, provider_message_id, created_at)
         VALUES ($1, $2, 'inbound', 'lead', $3, $4, $5, clock_timestamp()) RETURNING id, created_at",
    )
    .bind(tenant_id)
    .bind(thread.id)
    .bind(&inbound.body)
    .bind(&inbound.provider)
    .bind(&inbound.provider_message_id)
    .fetch_one(transaction.db())
    .await?;
    wait(transaction, &thread, writer.as_ref(), at).await?;
    let touched = transaction.touched();
    touched.conversation(thread.id);
    touched.message(message_id);
    writer.iter().for_each(|writer| touched.lead(writer.id));
    let lead_id = writer.map(|writer| writer.id);
    let owner = owner(transaction, &thread, lead_id).await?;
    let payload = json!({ "conversation_id": thread.id, "message_id": message_id, "lead_id": lead_id, "direction": "inbound" });
    outbox::publish(transaction, Event::NewMessage, Audience::Owner(owner), &payload).await?;
    Ok(Received { message_id, conversation_id: thread.id, lead_id, repeated: false })
}

/// Who owns the thread; one that was just opened and has nobody is offered to the team first.
async fn owner(
    transaction: &mut Transaction,
    thread: &Thread,
    lead_id: Option<Uuid>,
) -> Result<Option<Uuid>, sqlx::Error> {
    if thread.assigned_seller_id.is_some() || !thread.born || !queue::enter(transaction).await? {
        return Ok(thread.assigned_seller_id);
    }
    queue::offer(transaction, lead_id.map_or(Subject::Stranger(thread.id), Subject::Lead)).await
}

async fn repeated(transaction: &mut Transaction, inbound: &Inbound) -> Result<Option<Received>, sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    sqlx::query_as(
        "SELECT m.id AS message_id, m.conversation_id, c.lead_id, true AS repeated
         FROM messages m JOIN conversations c ON c.tenant_id = m.tenant_id AND c.id = m.conversation_id
         WHERE m.tenant_id = $1 AND m.provider = $2 AND m.provider_message_id = $3",
    )
    .bind(tenant_id)
    .bind(&inbound.provider)
    .bind(&inbound.provider_message_id)
    .fetch_optional(transaction.db())
    .await
}

/// The lead with this number, held, so that its owner stays the one a new thread gets; a new one when nobody has it.
/// Without a number: nobody yet.
///
/// The number of a lead that was merged away belongs to the one that took it over.
async fn writer(transaction: &mut Transaction, inbound: &Inbound) -> Result<Option<Writer>, sqlx::Error> {
    let Some(phone) = &inbound.phone else { return Ok(None) };
    let tenant_id = transaction.tenant_id();
    let known: Option<Writer> = sqlx::query_as(
        "SELECT id, lead_source, assigned_seller_id, assigned_at FROM leads
         WHERE tenant_id = $1 AND merged_into IS NULL AND id = coalesce(
           (SELECT id FROM leads WHERE tenant_id = $1 AND phone = $2 AND merged_into IS NULL),
           (SELECT merged_into FROM leads WHERE tenant_id = $1 AND phone = $2 AND merged_into IS NOT NULL
            ORDER BY id DESC LIMIT 1))
         FOR NO KEY UPDATE",
    )
    .bind(tenant_id)
    .bind(phone.as_str())
    .fetch_optional(transaction.db())
    .await?;
    if known.is_some() {
        return Ok(known);
    }
    // Before a lead is written, see `queue`.
    queue::enter(transaction).await?;
    let target = Profile::read(transaction).await?.response_target();
    let due = target.due(Utc::now(), "ORGANIC");
    let made: Option<Writer> = sqlx::query_as(
        "WITH lead AS (
           INSERT INTO leads (tenant_id, phone, first_name, source, lead_source, response_warn_at, response_due_at)
           SELECT $1, $2, $3, $4, 'ORGANIC', $5, $6
           WHERE NOT EXISTS (
             SELECT FROM leads m JOIN leads s ON s.tenant_id = m.tenant_id AND s.id = m.merged_into
             WHERE m.tenant_id = $1 AND m.phone = $2 AND m.merged_into IS NOT NULL AND s.merged_into IS NULL)
           ON CONFLICT (tenant_id, phone) WHERE merged_into IS NULL DO NOTHING
           RETURNING tenant_id, id, lead_source, assigned_seller_id, assigned_at),
         born AS (
           INSERT INTO lead_status_history (tenant_id, lead_id, to_status) SELECT tenant_id, id, 'new' FROM lead)
         SELECT id, lead_source, assigned_seller_id, assigned_at FROM lead",
    )
    .bind(tenant_id)
    .bind(phone.as_str())
    .bind(inbound.name.as_deref().unwrap_or_default())
    .bind(inbound.channel)
    .bind(due.warn_at)
    .bind(due.due_at)
    .fetch_optional(transaction.db())
    .await?;
    match made {
        Some(made) => Ok(Some(made)),
        // A form of the same person came in between, or their lead was merged into another.
        None => Box::pin(writer(transaction, inbound)).await,
    }
}

/// The open thread of this person on this channel, held; a new one when there is none.
async fn thread(
    transaction: &mut Transaction,
    inbound: &Inbound,
    writer: Option<&Writer>,
) -> Result<Thread, sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    let lead_id = writer.map(|writer| writer.id);
    let open: Option<Thread> = sqlx::query_as(
        "SELECT id, assigned_seller_id, waiting_since, false AS born FROM conversations
         WHERE tenant_id = $1 AND channel = $2 AND closed_at IS NULL
           AND CASE WHEN $3::uuid IS NULL THEN lead_id IS NULL AND contact = $4 ELSE lead_id = $3 END
         ORDER BY id DESC LIMIT 1 FOR UPDATE",
    )
    .bind(tenant_id)
    .bind(inbound.channel)
    .bind(lead_id)
    .bind(&inbound.contact)
    .fetch_optional(transaction.db())
    .await?;
    if let Some(open) = open {
        return Ok(open);
    }
    // Who knows the person goes on with them.
    sqlx::query_as(
        "INSERT INTO conversations (tenant_id, lead_id, channel, contact, assigned_seller_id, assigned_at)
         VALUES ($1, $2, $3, $4, $5, $6) RETURNING id, assigned_seller_id, waiting_since, true AS born",
    )
    .bind(tenant_id)
    .bind(lead_id)
    .bind(inbound.channel)
    .bind(&inbound.contact)
    .bind(writer.and_then(|writer| writer.assigned_seller_id))
    .bind(writer.and_then(|writer| writer.assigned_at))
    .fetch_one(transaction.db())
    .await
}

/// Notes the message, and starts the clock unless it runs.
async fn wait(
    transaction: &mut Transaction,
    thread: &Thread,
    writer: Option<&Writer>,
    at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    let due = match thread.waiting_since {
        Some(_) => None,
        None => {
            let target = Profile::read(transaction).await?.response_target();
            Some(target.due(at, writer.map_or("", |writer| &writer.lead_source)))
        }
    };
    sqlx::query(
        "UPDATE conversations SET last_message_at = $3, updated_at = $3, waiting_since = coalesce(waiting_since, $3),
                response_warn_at = coalesce($4, response_warn_at), response_due_at = coalesce($5, response_due_at)
         WHERE tenant_id = $1 AND id = $2",
    )
    .bind(tenant_id)
    .bind(thread.id)
    .bind(at)
    .bind(due.map(|due| due.warn_at))
    .bind(due.map(|due| due.due_at))
    .execute(transaction.db())
    .await?;
    Ok(())
}
