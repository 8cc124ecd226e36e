//! What happened last. Test and merged leads never count. Knows no HTTP.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{AssertSqlSafe, FromRow};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::tenant::Tenant;

/// A lead that counts, or a conversation without any.
const COUNTED: &str = "(l.id IS NULL OR (NOT l.is_test AND l.merged_into IS NULL))";

/// One thing that happened.
#[derive(Debug, Serialize, FromRow, ToSchema)]
pub(crate) struct Activity {
    /// `assignment` or `status_change`.
    #[serde(rename = "type")]
    kind: String,
    /// When.
    at: DateTime<Utc>,
    /// The vendedor who got it, or the person who changed it; null: back to the queue, or the system.
    seller_id: Option<Uuid>,
    /// Their name.
    seller_name: Option<String>,
    /// The lead it is about.
    lead_id: Option<Uuid>,
    /// The lead's name.
    lead_name: Option<String>,
    /// The conversation it is about.
    conversation_id: Option<Uuid>,
    /// Status before, of a change of status.
    from_status: Option<String>,
    /// Status after, of a change of status.
    to_status: Option<String>,
    /// Why: `manual`, `claimed`, `rule`, `reassigned`, `released`; of a change of status, what was given.
    reason: Option<String>,
}

/// The latest ten things that happened, or that happened through `only` one vendedor.
pub(super) async fn latest(tenant: &mut Tenant, only: Option<Uuid>) -> Result<Vec<Activity>, sqlx::Error> {
    let tenant_id = tenant.caller().tenant_id;
    let query = sqlx::query_as(AssertSqlSafe(activity_sql(only.is_some()))).bind(tenant_id);
    match only {
        Some(seller) => query.bind(seller).fetch_all(tenant.db()).await,
        None => query.fetch_all(tenant.db()).await,
    }
}

/// `$1` tenant, `$2` the only vendedor, when there is one. Ten of each kind are enough to have ten of both.
fn activity_sql(of_one: bool) -> String {
    let (own, changed) = if of_one { ("AND a.to_seller_id = $2", "AND h.changed_by = $2") } else { ("", "") };
    format!(
        "SELECT e.kind, e.at, e.seller_id, btrim(u.first_name || ' ' || u.last_name) AS seller_name, \
                e.lead_id, btrim(l.first_name || ' ' || l.last_name) AS lead_name, e.conversation_id, \
                e.from_status, e.to_status, e.reason \
         FROM ( \
           (SELECT 'assignment' AS kind, a.id, a.created_at AS at, a.to_seller_id AS seller_id, a.lead_id, \
                   a.conversation_id, NULL AS from_status, NULL AS to_status, a.reason \
            FROM assignment_log a LEFT JOIN leads l ON l.tenant_id = a.tenant_id AND l.id = a.lead_id \
            WHERE a.tenant_id = $1 AND {COUNTED} {own} \
            ORDER BY a.created_at DESC, a.id DESC LIMIT 10) \
           UNION ALL \
           (SELECT 'status_change', h.id, h.changed_at, h.changed_by, h.lead_id, NULL, h.from_status, h.to_status, h.reason \
            FROM lead_status_history h LEFT JOIN leads l ON l.tenant_id = h.tenant_id AND l.id = h.lead_id \
            WHERE h.tenant_id = $1 AND h.from_status IS NOT NULL AND {COUNTED} {changed} \
            ORDER BY h.changed_at DESC, h.id DESC LIMIT 10) \
         ) e \
         LEFT JOIN users u ON u.tenant_id = $1 AND u.id = e.seller_id \
         LEFT JOIN leads l ON l.tenant_id = $1 AND l.id = e.lead_id \
         ORDER BY e.at DESC, e.kind, e.id DESC LIMIT 10"
    )
}
