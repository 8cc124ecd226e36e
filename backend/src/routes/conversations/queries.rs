//! The questions behind conversations. Values are always bound. Knows no HTTP.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::FromRow;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::conversations::Scope;
use crate::response_target::ResponseState;
use crate::tenant::Tenant;

/// Which conversations.
#[derive(Debug, Default)]
pub(super) struct Which {
    pub(super) id: Option<Uuid>,
    /// Only closed ones, only open ones, or both.
    pub(super) closed: Option<bool>,
    pub(super) waiting: bool,
    pub(super) seller: Option<Uuid>,
    pub(super) unassigned: bool,
    pub(super) lead: Option<Uuid>,
}

/// A conversation as lists show it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Conversation {
    pub(super) id: Uuid,
    /// Who it is with; null while nobody knows.
    lead_id: Option<Uuid>,
    /// Their name; without one, how the channel knows them.
    name: String,
    /// `whatsapp`, `instagram`, `messenger`, `web` or `email`.
    channel: String,
    /// The owner; null: in the queue.
    assigned_seller_id: Option<Uuid>,
    /// Their name.
    assigned_seller_name: Option<String>,
    /// Since when somebody waits for a human answer.
    waiting_since: Option<DateTime<Utc>>,
    /// When the answer is due.
    due_at: Option<DateTime<Utc>>,
    /// `on_time`, `warning` or `late`; null when nobody waits.
    response_state: Option<ResponseState>,
    /// Messages of the lead that the caller has not read.
    unread: i64,
    /// When the last message came or went.
    pub(super) last_message_at: DateTime<Utc>,
    /// Its beginning.
    preview: Option<String>,
    /// When it was closed; null: it is open.
    closed_at: Option<DateTime<Utc>>,
    /// When it began.
    created_at: DateTime<Utc>,
}

#[derive(Debug, FromRow)]
struct Row {
    id: Uuid,
    lead_id: Option<Uuid>,
    name: String,
    channel: String,
    assigned_seller_id: Option<Uuid>,
    assigned_seller_name: Option<String>,
    waiting_since: Option<DateTime<Utc>>,
    response_warn_at: Option<DateTime<Utc>>,
    response_due_at: Option<DateTime<Utc>>,
    unread: i64,
    last_message_at: DateTime<Utc>,
    preview: Option<String>,
    closed_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    now: DateTime<Utc>,
}

impl From<Row> for Conversation {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            lead_id: row.lead_id,
            name: row.name,
            channel: row.channel,
            assigned_seller_id: row.assigned_seller_id,
            assigned_seller_name: row.assigned_seller_name,
            waiting_since: row.waiting_since,
            due_at: row.response_due_at,
            response_state: ResponseState::at(row.now, row.response_warn_at, row.response_due_at, None),
            unread: row.unread,
            last_message_at: row.last_message_at,
            preview: row.preview,
            closed_at: row.closed_at,
            created_at: row.created_at,
        }
    }
}

/// A page, `limit` rows at most.
pub(super) async fn page(
    tenant: &mut Tenant,
    scope: Scope,
    which: &Which,
    after: Option<(DateTime<Utc>, Uuid)>,
    limit: i64,
) -> Result<Vec<Conversation>, sqlx::Error> {
    let caller = tenant.caller();
    let rows: Vec<Row> = sqlx::query_as(PAGE)
        .bind(caller.tenant_id)
        .bind(caller.user_id)
        .bind(scope.seller())
        .bind(which.id)
        .bind(which.closed)
        .bind(which.waiting)
        .bind(which.seller)
        .bind(which.unassigned)
        .bind(which.lead)
        .bind(after.map(|(at, _)| at))
        .bind(after.map(|(_, id)| id))
        .bind(limit)
        .fetch_all(tenant.db())
        .await?;
    Ok(rows.into_iter().map(Conversation::from).collect())
}

/// `$1` tenant, `$2` who reads, `$3` the only vendedor of the scope, then the filter, the place and the limit.
const PAGE: &str = "
    SELECT c.*, coalesce(nullif(btrim(l.first_name || ' ' || l.last_name), ''), l.phone, c.contact, '') AS name,
           btrim(u.first_name || ' ' || u.last_name) AS assigned_seller_name, now() AS now,
           (SELECT count(*) FROM messages m
            WHERE m.tenant_id = c.tenant_id AND m.conversation_id = c.id AND m.direction = 'inbound'
              AND m.id > coalesce(r.read_up_to, 0)) AS unread,
           (SELECT left(m.body, 120) FROM messages m WHERE m.tenant_id = c.tenant_id AND m.conversation_id = c.id
            ORDER BY m.created_at DESC, m.id DESC LIMIT 1) AS preview
    FROM (
      SELECT id, tenant_id, lead_id, channel, contact, assigned_seller_id, waiting_since, response_warn_at,
             response_due_at, last_message_at, closed_at, created_at
      FROM conversations
      WHERE tenant_id = $1
        AND ($3::uuid IS NULL OR assigned_seller_id = $3 OR assigned_seller_id IS NULL)
        AND ($4::uuid IS NULL OR id = $4)
        AND ($5::boolean IS NULL OR (closed_at IS NOT NULL) = $5)
        AND (NOT $6 OR waiting_since IS NOT NULL)
        AND ($7::uuid IS NULL OR assigned_seller_id = $7)
        AND (NOT $8 OR assigned_seller_id IS NULL)
        AND ($9::uuid IS NULL OR lead_id = $9)
        AND ($10::timestamptz IS NULL OR (last_message_at, id) < ($10, $11::uuid))
      ORDER BY last_message_at DESC, id DESC LIMIT $12) c
    LEFT JOIN leads l ON l.tenant_id = c.tenant_id AND l.id = c.lead_id
    LEFT JOIN users u ON u.tenant_id = c.tenant_id AND u.id = c.assigned_seller_id
    LEFT JOIN conversation_reads r ON r.tenant_id = c.tenant_id AND r.conversation_id = c.id AND r.user_id = $2
    ORDER BY c.last_message_at DESC, c.id DESC";

/// One message.
#[derive(Debug, Serialize, FromRow, ToSchema)]
pub(crate) struct Message {
    pub(super) id: i64,
    /// `inbound` or `outbound`.
    direction: String,
    /// `lead`, `user` or `bot`.
    author: String,
    /// Which user.
    author_id: Option<Uuid>,
    /// Their name.
    author_name: Option<String>,
    /// What was said.
    body: String,
    /// `queued`, `sent`, `delivered`, `read` or `failed`.
    delivery: String,
    /// When it was stored.
    created_at: DateTime<Utc>,
}

/// Id of the newest message, when the conversation is in scope.
pub(super) async fn newest(
    tenant: &mut Tenant,
    scope: Scope,
    id: Uuid,
) -> Result<Option<Option<i64>>, sqlx::Error> {
    let tenant_id = tenant.caller().tenant_id;
    sqlx::query_scalar(
        "SELECT (SELECT max(m.id) FROM messages m WHERE m.tenant_id = c.tenant_id AND m.conversation_id = c.id)
         FROM conversations c WHERE c.tenant_id = $1 AND c.id = $2
           AND ($3::uuid IS NULL OR c.assigned_seller_id = $3 OR c.assigned_seller_id IS NULL)",
    )
    .bind(tenant_id)
    .bind(id)
    .bind(scope.seller())
    .fetch_optional(tenant.db())
    .await
}

/// A page of messages before an id, `limit` rows at most.
pub(super) async fn messages(
    tenant: &mut Tenant,
    id: Uuid,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Message>, sqlx::Error> {
    let tenant_id = tenant.caller().tenant_id;
    sqlx::query_as(
        "SELECT m.id, m.direction, m.author, m.author_id, btrim(u.first_name || ' ' || u.last_name) AS author_name,
                m.body, m.delivery, m.created_at
         FROM messages m LEFT JOIN users u ON u.tenant_id = m.tenant_id AND u.id = m.author_id
         WHERE m.tenant_id = $1 AND m.conversation_id = $2 AND ($3::bigint IS NULL OR m.id < $3)
         ORDER BY m.id DESC LIMIT $4",
    )
    .bind(tenant_id)
    .bind(id)
    .bind(before)
    .bind(limit)
    .fetch_all(tenant.db())
    .await
}

/// Notes how far the caller has read, no further than there is something to read; false out of scope.
pub(super) async fn mark_read(
    tenant: &mut Tenant,
    scope: Scope,
    id: Uuid,
    up_to: i64,
) -> Result<bool, sqlx::Error> {
    let caller = tenant.caller();
    let Some(newest) = newest(tenant, scope, id).await? else { return Ok(false) };
    sqlx::query(
        "INSERT INTO conversation_reads AS r (tenant_id, conversation_id, user_id, read_up_to) VALUES ($1, $2, $3, $4)
         ON CONFLICT (tenant_id, conversation_id, user_id)
         DO UPDATE SET read_up_to = greatest(r.read_up_to, EXCLUDED.read_up_to), read_at = now()",
    )
    .bind(caller.tenant_id)
    .bind(id)
    .bind(caller.user_id)
    .bind(up_to.clamp(0, newest.unwrap_or(0)))
    .execute(tenant.db())
    .await?;
    Ok(true)
}
