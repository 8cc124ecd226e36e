//! A notification becomes a row, as its reader wants to hear it: muted types are not stored, quiet hours store without
//! ringing. A fact is told once: what was told, read or not, is not told again.

use serde_json::Value;
use uuid::Uuid;

use super::quiet::is_quiet;
use super::{Kind, Priority};
use crate::outbox::Event;
use crate::tenant::Transaction;

/// What to tell one person.
#[derive(Debug, Clone)]
pub(crate) struct Notice {
    pub(crate) recipient: Uuid,
    /// Who did what it tells of; none: time, or a rule.
    pub(crate) actor: Option<Uuid>,
    pub(crate) kind: Kind,
    pub(crate) priority: Priority,
    /// Which occurrence it is about; part of the key.
    pub(crate) episode: String,
    /// Names the fact: the same key is the same fact.
    pub(crate) key: String,
    /// Which text, see `text`.
    pub(crate) text: &'static str,
    /// What fills the text.
    pub(crate) params: Value,
    /// Why it was raised.
    pub(crate) reasons: Value,
    /// What it is about.
    pub(crate) entity: (&'static str, String),
    /// Where in the page it leads.
    pub(crate) link: String,
}

/// Tells it; true when it is new to its reader and not muted.
///
/// # Errors
/// When the database did not take it.
pub(crate) async fn raise(transaction: &mut Transaction, notice: &Notice) -> Result<bool, sqlx::Error> {
    if !super::exist(transaction).await? {
        return Ok(false);
    }
    let tenant_id = transaction.tenant_id();
    let raised = sqlx::query(RAISE)
        .bind(tenant_id)
        .bind(notice.recipient)
        .bind(notice.kind.name())
        .bind(notice.priority.name())
        .bind(&notice.episode)
        .bind(&notice.key)
        .bind(notice.text)
        .bind(&notice.params)
        .bind(&notice.reasons)
        .bind(notice.actor)
        .bind(notice.entity.0)
        .bind(&notice.entity.1)
        .bind(&notice.link)
        .bind(notice.priority.expires_after_days())
        .bind(Event::NewNotification.name())
        .fetch_optional(transaction.db())
        .await?;
    Ok(raised.is_some())
}

/// The reader's settings, the row unless it was told before, and the event unless it is quiet.
const RAISE: &str = concat!(
    "WITH reader AS (
       SELECT u.tenant_id, u.id, coalesce($3 = ANY(s.muted_types), false) AS muted, ",
    is_quiet!(),
    " AS quiet, $4 = 'critical' AND coalesce(s.critical_pierces, true) AS pierces
       FROM users u JOIN tenants t ON t.id = u.tenant_id
       LEFT JOIN notification_settings s ON s.tenant_id = u.tenant_id AND s.user_id = u.id
       WHERE u.tenant_id = $1 AND u.id = $2 AND u.status = 'active'),
     told AS (
       INSERT INTO notifications (tenant_id, recipient_id, type, priority, episode, dedupe_key, text_key, params,
                                  reasons, actor_id, entity_type, entity_id, link, expires_at)
       SELECT tenant_id, id, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, now() + make_interval(days => $14)
       FROM reader
       WHERE (NOT muted OR pierces) AND NOT EXISTS (
         SELECT FROM notifications n WHERE n.tenant_id = $1 AND n.recipient_id = $2 AND n.dedupe_key = $6)
       ON CONFLICT (tenant_id, recipient_id, dedupe_key) WHERE read_at IS NULL DO NOTHING
       RETURNING id),
     rung AS (
       INSERT INTO outbox (tenant_id, event, recipient_id, payload)
       SELECT $1, $15, $2, jsonb_build_object('id', told.id, 'type', $3::text, 'priority', $4::text)
       FROM told, reader WHERE NOT quiet OR pierces)
     SELECT id FROM told"
);
