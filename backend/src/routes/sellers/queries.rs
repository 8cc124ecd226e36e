//! The questions behind the overview, each one statement. Test and merged leads never count: one
//! predicate, written once. Knows no HTTP.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{AssertSqlSafe, FromRow};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::tenant::Tenant;

/// A lead that counts, or a conversation without any.
const COUNTED: &str = "(l.id IS NULL OR (NOT l.is_test AND l.merged_into IS NULL))";

/// The moments figures are cut at, by the clock and the zones of the database.
#[derive(Debug, FromRow)]
pub(super) struct Bounds {
    pub(super) now: DateTime<Utc>,
    /// First moment of today.
    pub(super) today: DateTime<Utc>,
    /// First moment of tomorrow.
    pub(super) tomorrow: DateTime<Utc>,
    /// First moment of the day 29 days ago.
    pub(super) since: DateTime<Utc>,
    pub(super) time_zone: String,
}

/// An active vendedor.
#[derive(Debug, FromRow)]
pub(super) struct Seller {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) role: String,
}

/// Sums of one vendedor; of `None`: what nobody owns.
#[derive(Debug, Clone, Default, FromRow)]
pub(super) struct Figures {
    pub(super) seller_id: Option<Uuid>,
    pub(super) open: i64,
    pub(super) active: i64,
    pub(super) unanswered: i64,
    pub(super) assigned_today: i64,
    pub(super) leads: i64,
    pub(super) won: i64,
    pub(super) responses: i64,
    pub(super) response_seconds: f64,
}

impl Figures {
    /// Both together.
    pub(super) fn plus(self, other: &Self) -> Self {
        Self {
            seller_id: None,
            open: self.open + other.open,
            active: self.active + other.active,
            unanswered: self.unanswered + other.unanswered,
            assigned_today: self.assigned_today + other.assigned_today,
            leads: self.leads + other.leads,
            won: self.won + other.won,
            responses: self.responses + other.responses,
            response_seconds: self.response_seconds + other.response_seconds,
        }
    }
}

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

/// Cuts days in the tenant's zone: half-open, so that no moment is in two days and none in neither.
pub(super) async fn bounds(tenant: &mut Tenant) -> Result<Bounds, sqlx::Error> {
    let tenant_id = tenant.caller().tenant_id;
    sqlx::query_as(
        "SELECT now() AS now, time_zone, \
                day AT TIME ZONE time_zone AS today, \
                (day + interval '1 day') AT TIME ZONE time_zone AS tomorrow, \
                (day - interval '29 days') AT TIME ZONE time_zone AS since \
         FROM (SELECT time_zone, date_trunc('day', now() AT TIME ZONE time_zone) AS day \
               FROM tenants WHERE id = $1) zone",
    )
    .bind(tenant_id)
    .fetch_one(tenant.db())
    .await
}

/// Active vendedores by name, or `only` one.
pub(super) async fn sellers(tenant: &mut Tenant, only: Option<Uuid>) -> Result<Vec<Seller>, sqlx::Error> {
    let tenant_id = tenant.caller().tenant_id;
    sqlx::query_as(
        "SELECT id, btrim(first_name || ' ' || last_name) AS name, role FROM users \
         WHERE tenant_id = $1 AND role IN ('setter', 'closer') AND status = 'active' AND ($2::uuid IS NULL OR id = $2) \
         ORDER BY 2, 1",
    )
    .bind(tenant_id)
    .bind(only)
    .fetch_all(tenant.db())
    .await
}

/// Sums by vendedor, a row for everybody who has any.
pub(super) async fn figures(
    tenant: &mut Tenant,
    bounds: &Bounds,
    only: Option<Uuid>,
) -> Result<Vec<Figures>, sqlx::Error> {
    let tenant_id = tenant.caller().tenant_id;
    sqlx::query_as(AssertSqlSafe(figures_sql()))
        .bind(tenant_id)
        .bind(only)
        .bind(bounds.today)
        .bind(bounds.tomorrow)
        .bind(bounds.since)
        .fetch_all(tenant.db())
        .await
}

/// `$1` tenant, `$2` the only vendedor or null, `$3` today, `$4` tomorrow, `$5` start of the period.
fn figures_sql() -> String {
    format!(
        "SELECT seller_id, sum(open)::bigint AS open, sum(active)::bigint AS active, \
                sum(unanswered)::bigint AS unanswered, sum(assigned_today)::bigint AS assigned_today, \
                sum(leads)::bigint AS leads, sum(won)::bigint AS won, sum(responses)::bigint AS responses, \
                sum(response_seconds)::float8 AS response_seconds \
         FROM ( \
           SELECT c.assigned_seller_id AS seller_id, count(*) AS open, \
                  count(*) FILTER (WHERE c.last_message_at >= now() - interval '7 days') AS active, \
                  count(c.waiting_since) AS unanswered, \
                  0 AS assigned_today, 0 AS leads, 0 AS won, 0 AS responses, 0::float8 AS response_seconds \
           FROM conversations c LEFT JOIN leads l ON l.tenant_id = c.tenant_id AND l.id = c.lead_id \
           WHERE c.tenant_id = $1 AND c.closed_at IS NULL AND {COUNTED} \
             AND ($2::uuid IS NULL OR c.assigned_seller_id = $2) \
           GROUP BY 1 \
           UNION ALL \
           SELECT a.to_seller_id, 0, 0, 0, count(*), 0, 0, 0, 0 \
           FROM assignment_log a LEFT JOIN leads l ON l.tenant_id = a.tenant_id AND l.id = a.lead_id \
           WHERE a.tenant_id = $1 AND a.created_at >= $3 AND a.created_at < $4 AND a.to_seller_id IS NOT NULL \
             AND {COUNTED} AND ($2::uuid IS NULL OR a.to_seller_id = $2) \
           GROUP BY 1 \
           UNION ALL \
           SELECT l.assigned_seller_id, 0, 0, 0, 0, count(*), count(*) FILTER (WHERE l.status = 'won'), 0, 0 \
           FROM leads l \
           WHERE l.tenant_id = $1 AND l.created_at >= $5 AND l.created_at < $4 AND {COUNTED} \
             AND ($2::uuid IS NULL OR l.assigned_seller_id = $2) \
           GROUP BY 1 \
           UNION ALL \
           {FIRST_RESPONSES} AND {COUNTED} AND ($2::uuid IS NULL OR reply.author_id = $2) \
           GROUP BY 1 \
         ) parts GROUP BY seller_id"
    )
}

/// First human replies in conversations begun in the period, credited to who sent them. The clock starts
/// with the first message of the lead, or with the lead itself when the vendedor wrote first.
const FIRST_RESPONSES: &str = "\
    SELECT reply.author_id, 0, 0, 0, 0, 0, 0, count(*), \
           sum(extract(epoch FROM reply.created_at - coalesce(asked.created_at, l.created_at)))::float8 \
    FROM conversations c LEFT JOIN leads l ON l.tenant_id = c.tenant_id AND l.id = c.lead_id \
    CROSS JOIN LATERAL ( \
      SELECT m.author_id, m.created_at FROM messages m \
      WHERE m.tenant_id = c.tenant_id AND m.conversation_id = c.id AND m.author = 'user' AND m.delivery <> 'failed' \
      ORDER BY m.created_at, m.id LIMIT 1) reply \
    LEFT JOIN LATERAL ( \
      SELECT m.created_at FROM messages m \
      WHERE m.tenant_id = c.tenant_id AND m.conversation_id = c.id AND m.direction = 'inbound' \
        AND m.created_at <= reply.created_at \
      ORDER BY m.created_at, m.id LIMIT 1) asked ON true \
    WHERE c.tenant_id = $1 AND c.created_at >= $5 AND c.created_at < $4 \
      AND coalesce(asked.created_at, l.created_at) <= reply.created_at";

/// The latest ten things that happened, or that happened through `only` one vendedor.
pub(super) async fn activity(tenant: &mut Tenant, only: Option<Uuid>) -> Result<Vec<Activity>, sqlx::Error> {
    let tenant_id = tenant.caller().tenant_id;
    sqlx::query_as(AssertSqlSafe(activity_sql())).bind(tenant_id).bind(only).fetch_all(tenant.db()).await
}

/// `$1` tenant, `$2` the only vendedor or null. Ten of each kind are enough to have ten of both.
fn activity_sql() -> String {
    format!(
        "SELECT e.kind, e.at, e.seller_id, btrim(u.first_name || ' ' || u.last_name) AS seller_name, \
                e.lead_id, btrim(l.first_name || ' ' || l.last_name) AS lead_name, e.conversation_id, \
                e.from_status, e.to_status, e.reason \
         FROM ( \
           (SELECT 'assignment' AS kind, a.id, a.created_at AS at, a.to_seller_id AS seller_id, a.lead_id, \
                   a.conversation_id, NULL AS from_status, NULL AS to_status, a.reason \
            FROM assignment_log a LEFT JOIN leads l ON l.tenant_id = a.tenant_id AND l.id = a.lead_id \
            WHERE a.tenant_id = $1 AND {COUNTED} AND ($2::uuid IS NULL OR a.to_seller_id = $2) \
            ORDER BY a.created_at DESC, a.id DESC LIMIT 10) \
           UNION ALL \
           (SELECT 'status_change', h.id, h.changed_at, h.changed_by, h.lead_id, NULL, h.from_status, h.to_status, h.reason \
            FROM lead_status_history h LEFT JOIN leads l ON l.tenant_id = h.tenant_id AND l.id = h.lead_id \
            WHERE h.tenant_id = $1 AND h.from_status IS NOT NULL AND {COUNTED} AND ($2::uuid IS NULL OR h.changed_by = $2) \
            ORDER BY h.changed_at DESC, h.id DESC LIMIT 10) \
         ) e \
         LEFT JOIN users u ON u.tenant_id = $1 AND u.id = e.seller_id \
         LEFT JOIN leads l ON l.tenant_id = $1 AND l.id = e.lead_id \
         ORDER BY e.at DESC, e.kind, e.id DESC LIMIT 10"
    )
}
