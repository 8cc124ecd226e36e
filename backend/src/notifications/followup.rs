//! `followup`: a vendedor's lead has heard nothing for days. Told once per silence, to the owner: high for contacted and
//! qualified leads, medium for new ones, low for strangers. Where somebody waits for an answer `unanswered` tells it,
//! and what has been silent for a month is no follow-up any more.
//!
//! Shape of `followup` in `tenants.settings`: `{"contacted_hours": 48, "new_hours": 24, "stranger_hours": 72,
//! "at_most_days": 30}`.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::FromRow;
use uuid::Uuid;

use super::told::Told;
use super::{Kind, Notice, Priority, thresholds};
use crate::tenant::{Profile, Transaction};

/// What it is judged by.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Thresholds {
    /// Silence of a contacted or qualified lead.
    contacted_hours: i32,
    /// Silence of a new one.
    new_hours: i32,
    /// Silence of a conversation without a lead.
    stranger_hours: i32,
    /// What has been silent for longer is left alone.
    at_most_days: i32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { contacted_hours: 48, new_hours: 24, stranger_hours: 72, at_most_days: 30 }
    }
}

/// Somebody who hears nothing.
#[derive(Debug, FromRow)]
struct Silent {
    id: Uuid,
    owner: Uuid,
    /// `contacted`, `new` or `stranger`.
    step: String,
    name: String,
    silent_since: DateTime<Utc>,
    now: DateTime<Utc>,
}

/// Tells of every silence that is long enough; gives how many notifications are new.
///
/// # Errors
/// When the database did not take it.
pub(super) async fn check(transaction: &mut Transaction, profile: &Profile) -> Result<usize, sqlx::Error> {
    let limits: Thresholds = thresholds::of(&profile.settings, Kind::Followup.name());
    let silent = silent(transaction, &limits).await?;
    let told = Told::of(transaction, Kind::Followup).await?;
    told.tell(transaction, silent.iter().map(notice).collect()).await
}

fn notice(silent: &Silent) -> Notice {
    let (priority, text, entity, page) = match silent.step.as_str() {
        "contacted" => (Priority::High, "followup.silent", "lead", "leads"),
        "new" => (Priority::Medium, "followup.new", "lead", "leads"),
        _ => (Priority::Low, "followup.stranger", "conversation", "conversaciones"),
    };
    // As precise as the database keeps it: two silences of one person never share a key.
    let episode = silent.silent_since.timestamp_micros().to_string();
    Notice {
        recipient: silent.owner,
        actor: None,
        kind: Kind::Followup,
        priority,
        key: format!("followup:{}:{episode}:{}", silent.id, silent.step),
        episode,
        text,
        params: json!({ "lead": silent.name, "time": readable(silent.now - silent.silent_since) }),
        reasons: json!([{ "silent_since": silent.silent_since, "step": silent.step }]),
        entity: (entity, silent.id.to_string()),
        link: format!("/{page}/{}", silent.id),
    }
}

/// Whole hours up to two days, then whole days; the same in both languages.
fn readable(silence: Duration) -> String {
    match silence.num_hours() {
        hours if hours < 48 => format!("{hours} h"),
        hours => format!("{} d", hours / 24),
    }
}

async fn silent(transaction: &mut Transaction, limits: &Thresholds) -> Result<Vec<Silent>, sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    sqlx::query_as(SILENT)
        .bind(tenant_id)
        .bind(limits.contacted_hours)
        .bind(limits.new_hours)
        .bind(limits.stranger_hours)
        .bind(limits.at_most_days)
        .fetch_all(transaction.db())
        .await
}

/// `$1` tenant, `$2` to `$4` hours of silence of a contacted lead, a new one and a stranger, `$5` days at most. A change of
/// status counts as a sign of work, as a message does.
const SILENT: &str = "
    SELECT id, owner, step, name, silent_since, now() AS now FROM (
      SELECT l.id, l.assigned_seller_id AS owner, CASE WHEN l.status = 'new' THEN 'new' ELSE 'contacted' END AS step,
             coalesce(nullif(btrim(l.first_name || ' ' || l.last_name), ''), l.phone, '') AS name,
             greatest(l.status_changed_at, said.last_at) AS silent_since, coalesce(said.waits, false) AS waits,
             CASE WHEN l.status = 'new' THEN $3 ELSE $2 END AS hours
      FROM leads l
      CROSS JOIN LATERAL (
        SELECT max(c.last_message_at) AS last_at, bool_or(c.waiting_since IS NOT NULL) AS waits
        FROM conversations c WHERE c.tenant_id = $1 AND c.lead_id = l.id) said
      WHERE l.tenant_id = $1 AND l.assigned_seller_id IS NOT NULL AND l.status IN ('new', 'contacted', 'qualified')
        AND NOT l.is_test AND l.merged_into IS NULL
      UNION ALL
      SELECT c.id, c.assigned_seller_id, 'stranger', coalesce(c.contact, ''), c.last_message_at,
             c.waiting_since IS NOT NULL, $4
      FROM conversations c
      WHERE c.tenant_id = $1 AND c.lead_id IS NULL AND c.assigned_seller_id IS NOT NULL AND c.closed_at IS NULL) silent
    WHERE NOT waits AND silent_since < now() - make_interval(hours => hours)
      AND silent_since > now() - make_interval(days => $5)
    ORDER BY silent_since, id";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_is_told_in_hours_then_in_days() {
        for (hours, told) in [(24, "24 h"), (47, "47 h"), (48, "2 d"), (71, "2 d"), (72, "3 d")] {
            assert_eq!(readable(Duration::hours(hours)), told);
        }
    }
}
