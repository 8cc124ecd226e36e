//! A vendedor who might get work: how much they have, how much they got today, when they last got any, and whether they
//! work now. One statement for the whole team.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::FromRow;
use uuid::Uuid;

use crate::tenant::{Profile, Transaction};
use crate::working_hours::WorkingHours;

/// An active vendedor, as things stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) seller_id: Uuid,
    pub(crate) name: String,
    /// `setter` or `closer`.
    pub(crate) role: String,
    pub(crate) on_shift: bool,
    /// People in work: leads in an open status or with an open conversation, and strangers with one.
    pub(crate) open: i64,
    /// Leads and conversations they got today, by the tenant's clock.
    pub(crate) today: i64,
    /// When they last got one, and the number of that row of the log: rows of one moment have an order too.
    pub(crate) last: Option<(DateTime<Utc>, i64)>,
}

#[derive(Debug, FromRow)]
struct Row {
    seller_id: Uuid,
    name: String,
    role: String,
    shift: Option<Value>,
    time_zone: Option<String>,
    open: i64,
    today: i64,
    last_at: Option<DateTime<Utc>>,
    last_id: Option<i64>,
    now: DateTime<Utc>,
}

impl Candidate {
    /// Every active vendedor of the tenant.
    ///
    /// # Errors
    /// When the database did not say.
    pub(crate) async fn all(transaction: &mut Transaction) -> Result<Vec<Self>, sqlx::Error> {
        let profile = Profile::read(transaction).await?;
        let tenant_id = transaction.tenant_id();
        let rows: Vec<Row> = sqlx::query_as(TEAM).bind(tenant_id).fetch_all(transaction.db()).await?;
        Ok(rows.into_iter().map(|row| row.candidate(&profile)).collect())
    }

    /// Notes that they got one more.
    pub(super) fn took_one(&mut self, at: DateTime<Utc>, turn: i64) {
        self.open += 1;
        self.today += 1;
        self.last = Some((at, turn));
    }
}

impl Row {
    fn candidate(self, profile: &Profile) -> Candidate {
        let hours = shift(self.shift.as_ref(), self.time_zone.as_deref(), profile);
        Candidate {
            seller_id: self.seller_id,
            name: self.name,
            role: self.role,
            on_shift: hours.contains(self.now),
            open: self.open,
            today: self.today,
            last: self.last_at.zip(self.last_id),
        }
    }
}

/// The own hours in the own zone, or those of the tenant in its zone.
fn shift(own: Option<&Value>, zone: Option<&str>, profile: &Profile) -> WorkingHours {
    match own {
        Some(week) => {
            let zone = zone.and_then(|zone| zone.parse().ok()).unwrap_or(profile.zone);
            WorkingHours::of(&json!({ "working_hours": week }), zone)
        }
        None => profile.working_hours(),
    }
}

/// `$1` tenant. A lead in an open status is counted there, one that has ended by its conversations.
const TEAM: &str = "
    WITH today AS (
      SELECT date_trunc('day', now() AT TIME ZONE time_zone) AT TIME ZONE time_zone AS start FROM tenants WHERE id = $1)
    SELECT u.id AS seller_id, btrim(u.first_name || ' ' || u.last_name) AS name, u.role, u.shift, u.time_zone,
           (SELECT count(*) FROM leads l JOIN lead_statuses s ON s.code = l.status
            WHERE l.tenant_id = $1 AND l.assigned_seller_id = u.id AND s.is_open AND NOT l.is_test AND l.merged_into IS NULL)
           + (SELECT count(DISTINCT coalesce(c.lead_id, c.id))
              FROM conversations c
              LEFT JOIN leads l ON l.tenant_id = c.tenant_id AND l.id = c.lead_id
              LEFT JOIN lead_statuses s ON s.code = l.status
              WHERE c.tenant_id = $1 AND c.assigned_seller_id = u.id AND c.closed_at IS NULL
                AND (l.id IS NULL OR (NOT s.is_open AND NOT l.is_test AND l.merged_into IS NULL))) AS open,
           (SELECT count(DISTINCT coalesce(a.lead_id, a.conversation_id)) FROM assignment_log a
            WHERE a.tenant_id = $1 AND a.to_seller_id = u.id AND a.created_at >= (SELECT start FROM today)) AS today,
           last.created_at AS last_at, last.id AS last_id, clock_timestamp() AS now
    FROM users u
    LEFT JOIN LATERAL (
      SELECT a.created_at, a.id FROM assignment_log a WHERE a.tenant_id = $1 AND a.to_seller_id = u.id
      ORDER BY a.created_at DESC, a.id DESC LIMIT 1) last ON true
    WHERE u.tenant_id = $1 AND u.role IN ('setter', 'closer') AND u.status = 'active' ORDER BY u.id";
