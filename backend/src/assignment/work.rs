//! What lies in the queue: leads and conversations that nobody owns and somebody should. Leads in an open status or with
//! an open conversation, and strangers with one; test and merged leads never. Who takes one out holds its row, and
//! passes over what somebody else holds: whoever is in the queue waits for no row.

use chrono::{DateTime, Utc};
use sqlx::FromRow;
use uuid::Uuid;

use super::Subject;
use crate::tenant::Transaction;

/// One thing to give away, held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Work {
    pub(crate) subject: Subject,
    /// Where the lead came from; none of a stranger.
    pub(crate) lead_source: Option<String>,
    /// Its status.
    pub(crate) status: Option<String>,
    /// Who had this person last, or wrote to them last.
    pub(crate) known_by: Option<Uuid>,
    /// From whom it just came back to the queue.
    pub(crate) released_by: Option<Uuid>,
}

/// A place in the queue, the longest there first.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Place {
    pub(super) since: DateTime<Utc>,
    pub(super) id: Uuid,
    is_lead: bool,
    pub(super) lead_source: Option<String>,
    pub(super) status: Option<String>,
}

#[derive(Debug, FromRow)]
struct Row {
    lead_source: Option<String>,
    status: Option<String>,
    known_by: Option<Uuid>,
    released_by: Option<Uuid>,
}

impl Place {
    /// What stands there.
    pub(super) fn subject(&self) -> Subject {
        if self.is_lead { Subject::Lead(self.id) } else { Subject::Stranger(self.id) }
    }

    /// The places after one, `limit` at most.
    ///
    /// # Errors
    /// When the database did not say.
    pub(super) async fn after(
        transaction: &mut Transaction,
        place: Option<&Self>,
        limit: i64,
    ) -> Result<Vec<Self>, sqlx::Error> {
        let tenant_id = transaction.tenant_id();
        sqlx::query_as(QUEUE)
            .bind(tenant_id)
            .bind(place.map(|place| place.since))
            .bind(place.map(|place| place.id))
            .bind(limit)
            .fetch_all(transaction.db())
            .await
    }
}

impl Work {
    /// Takes it out and holds it; none when somebody owns or holds it, or it is a test.
    ///
    /// # Errors
    /// When the database did not say.
    pub(super) async fn take(
        transaction: &mut Transaction,
        subject: Subject,
    ) -> Result<Option<Self>, sqlx::Error> {
        let tenant_id = transaction.tenant_id();
        let (sql, id) = match subject {
            Subject::Lead(id) => (LEAD, id),
            Subject::Stranger(id) => (STRANGER, id),
        };
        let row: Option<Row> =
            sqlx::query_as(sql).bind(tenant_id).bind(id).fetch_optional(transaction.db()).await?;
        Ok(row.map(|Row { lead_source, status, known_by, released_by }| Self {
            subject,
            lead_source,
            status,
            known_by,
            released_by,
        }))
    }
}

/// `$1` tenant, `$2` and `$3` the place before, `$4` how many.
const QUEUE: &str = "
    SELECT since, id, is_lead, lead_source, status FROM (
      SELECT l.created_at AS since, l.id, true AS is_lead, l.lead_source, l.status
      FROM leads l JOIN lead_statuses s ON s.code = l.status
      WHERE l.tenant_id = $1 AND l.assigned_seller_id IS NULL AND NOT l.is_test AND l.merged_into IS NULL
        AND (s.is_open OR EXISTS (SELECT FROM conversations c WHERE c.tenant_id = $1 AND c.lead_id = l.id
                                  AND c.closed_at IS NULL))
      UNION ALL
      SELECT c.created_at, c.id, false, NULL, NULL FROM conversations c
      WHERE c.tenant_id = $1 AND c.lead_id IS NULL AND c.assigned_seller_id IS NULL AND c.closed_at IS NULL) queue
    WHERE $2::timestamptz IS NULL OR (since, id) > ($2, $3::uuid)
    ORDER BY since, id LIMIT $4";

/// `$1` tenant, `$2` lead.
const LEAD: &str = "
    SELECT l.lead_source, l.status,
           coalesce(
             (SELECT a.to_seller_id FROM assignment_log a
              WHERE a.tenant_id = $1 AND a.lead_id = $2 AND a.to_seller_id IS NOT NULL
              ORDER BY a.created_at DESC, a.id DESC LIMIT 1),
             (SELECT m.author_id FROM conversations c JOIN messages m ON m.tenant_id = $1 AND m.conversation_id = c.id
              WHERE c.tenant_id = $1 AND c.lead_id = $2 AND m.author = 'user' AND m.delivery <> 'failed'
              ORDER BY m.created_at DESC, m.id DESC LIMIT 1)) AS known_by,
           (SELECT newest.from_seller_id FROM (
              SELECT a.from_seller_id, a.to_seller_id FROM assignment_log a WHERE a.tenant_id = $1 AND a.lead_id = $2
              ORDER BY a.created_at DESC, a.id DESC LIMIT 1) newest WHERE newest.to_seller_id IS NULL) AS released_by
    FROM leads l
    WHERE l.tenant_id = $1 AND l.id = $2 AND l.assigned_seller_id IS NULL AND NOT l.is_test AND l.merged_into IS NULL
    FOR NO KEY UPDATE OF l SKIP LOCKED";

/// `$1` tenant, `$2` conversation.
const STRANGER: &str = "
    SELECT NULL::text AS lead_source, NULL::text AS status,
           coalesce(
             (SELECT a.to_seller_id FROM assignment_log a
              WHERE a.tenant_id = $1 AND a.conversation_id = $2 AND a.to_seller_id IS NOT NULL
              ORDER BY a.created_at DESC, a.id DESC LIMIT 1),
             (SELECT o.assigned_seller_id FROM conversations o
              WHERE o.tenant_id = $1 AND o.channel = c.channel AND o.contact = c.contact AND o.lead_id IS NULL
                AND o.id <> c.id AND o.assigned_seller_id IS NOT NULL
              ORDER BY o.last_message_at DESC, o.id DESC LIMIT 1)) AS known_by,
           (SELECT newest.from_seller_id FROM (
              SELECT a.from_seller_id, a.to_seller_id FROM assignment_log a
              WHERE a.tenant_id = $1 AND a.conversation_id = $2
              ORDER BY a.created_at DESC, a.id DESC LIMIT 1) newest WHERE newest.to_seller_id IS NULL) AS released_by
    FROM conversations c
    WHERE c.tenant_id = $1 AND c.id = $2 AND c.lead_id IS NULL AND c.assigned_seller_id IS NULL AND c.closed_at IS NULL
    FOR UPDATE OF c SKIP LOCKED";
