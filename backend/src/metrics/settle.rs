//! Brings facts and rollups up to date with what a transaction changed, as its last statement before the commit. Done
//! once for all it touched, so that cells are held briefly and always in the same order.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::cells::{Table, cells, raise};
use super::facts::{Of, facts};
use crate::tenant::Transaction;

/// What a transaction changed.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    conversations: BTreeSet<Uuid>,
    leads: BTreeSet<Uuid>,
    messages: Vec<i64>,
}

impl Touched {
    /// Messages, waits, closings or the owner of this conversation.
    pub(crate) fn conversation(&mut self, id: Uuid) {
        self.conversations.insert(id);
    }

    /// The lead itself: born, moved, owned, priced, answered.
    pub(crate) fn lead(&mut self, id: Uuid) {
        self.leads.insert(id);
    }

    /// A message that was stored just now.
    pub(crate) fn message(&mut self, id: i64) {
        self.messages.push(id);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.conversations.is_empty() && self.leads.is_empty() && self.messages.is_empty()
    }
}

/// Settles it; nothing for a tenant whose rollups are not made yet. Gives how many facts are other than they were.
///
/// # Errors
/// When the database did not take it.
pub(crate) async fn settle(transaction: &mut Transaction, touched: &Touched) -> Result<i64, sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    let kept: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM metrics_state WHERE tenant_id = $1)")
        .bind(tenant_id)
        .fetch_one(transaction.db())
        .await?;
    if !kept {
        return Ok(0);
    }
    let conversations: Vec<Uuid> = touched.conversations.iter().copied().collect();
    let leads: Vec<Uuid> = touched.leads.iter().copied().collect();
    sqlx::query_scalar(AssertSqlSafe(SETTLE.as_str()))
        .bind(tenant_id)
        .bind(conversations)
        .bind(leads)
        .bind(&touched.messages)
        .fetch_one(transaction.db())
        .await
}

/// `$1` tenant, `$2` conversations, `$3` leads, `$4` new messages. Compares what is true with what is known, stores the
/// difference, and adds it to the rollups.
static SETTLE: LazyLock<String> = LazyLock::new(|| {
    let facts = facts(Of::Chosen);
    let delta = "delta";
    let hours = raise(Table::Hourly, &cells(Table::Hourly, delta));
    let days = raise(Table::Daily, &cells(Table::Daily, delta));
    format!(
        "WITH state AS (SELECT time_zone FROM metrics_state WHERE tenant_id = $1), {facts}, \
         known AS ( \
           SELECT * FROM seller_events WHERE tenant_id = $1 AND conversation_id = ANY($2) \
           UNION ALL \
           SELECT * FROM seller_events WHERE tenant_id = $1 AND lead_id = ANY($3)), \
         gone AS ( \
           DELETE FROM seller_events e USING known k \
           WHERE e.tenant_id = $1 AND e.id = k.id AND NOT EXISTS (SELECT FROM facts f WHERE f.natural_key = k.natural_key) \
           RETURNING e.seller_id, e.kind, e.value, e.occurred_at), \
         other AS ( \
           SELECT f.*, k.id IS NOT NULL AS was_known, k.seller_id AS old_seller_id, k.kind AS old_kind, k.value AS old_value, \
                  k.occurred_at AS old_occurred_at \
           FROM facts f LEFT JOIN known k ON k.natural_key = f.natural_key \
           WHERE k.id IS NULL OR (k.seller_id, k.kind, k.value, k.occurred_at) \
                 IS DISTINCT FROM (f.seller_id, f.kind, f.value, f.occurred_at)), \
         put AS ( \
           INSERT INTO seller_events (tenant_id, seller_id, kind, natural_key, lead_id, conversation_id, value, occurred_at) \
           SELECT $1, seller_id, kind, natural_key, lead_id, conversation_id, value, occurred_at FROM other ORDER BY natural_key \
           ON CONFLICT (tenant_id, natural_key) DO UPDATE \
           SET seller_id = EXCLUDED.seller_id, kind = EXCLUDED.kind, value = EXCLUDED.value, occurred_at = EXCLUDED.occurred_at, \
               lead_id = EXCLUDED.lead_id, conversation_id = EXCLUDED.conversation_id \
           RETURNING 1), \
         written AS ( \
           SELECT m.author_id AS seller_id, CASE WHEN m.author = 'lead' THEN 'received' ELSE 'sent' END AS kind, m.created_at \
           FROM messages m JOIN conversations c ON c.tenant_id = m.tenant_id AND c.id = m.conversation_id \
           LEFT JOIN leads l ON l.tenant_id = c.tenant_id AND l.id = c.lead_id \
           WHERE m.tenant_id = $1 AND m.id = ANY($4) AND (l.id IS NULL OR (NOT l.is_test AND l.merged_into IS NULL)) \
             AND (m.author = 'lead' OR (m.author = 'user' AND m.delivery <> 'failed'))), \
         delta (seller_id, kind, value, occurred_at, sign) AS ( \
           SELECT seller_id, kind, value, occurred_at, 1 FROM other \
           UNION ALL \
           SELECT old_seller_id, old_kind, old_value, old_occurred_at, -1 FROM other WHERE was_known \
           UNION ALL \
           SELECT seller_id, kind, value, occurred_at, -1 FROM gone \
           UNION ALL \
           SELECT seller_id, kind, NULL::bigint, created_at, 1 FROM written), \
         hours AS ({hours}), \
         days AS ({days}) \
         SELECT (SELECT count(*) FROM other) + (SELECT count(*) FROM gone) + 0 * (SELECT count(*) FROM put)"
    )
});
