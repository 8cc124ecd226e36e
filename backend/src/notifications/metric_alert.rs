//! `metric_alert`: the report of the day before, at eight in the morning of the tenant's zone. Medium to every CEO, once
//! per tenant and day, however many servers look: one after the other, and the key names the day. A server that was
//! away at eight tells it when it is back.
//!
//! Shape of `metric_alert` in `tenants.settings`: `{"at": "08:00"}`.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::FromRow;

use super::assignment::ceos;
use super::{Kind, Notice, Priority, exist, raise, thresholds};
use crate::tenant::{Profile, Transaction};

/// When it is told.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Thresholds {
    /// Time of the day, as `08:00`.
    at: String,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { at: "08:00".to_owned() }
    }
}

/// What happened on a day of the tenant.
#[derive(Debug, FromRow)]
struct Day {
    leads: i64,
    won: i64,
    /// Now, not then.
    unanswered: i64,
}

/// Tells the report, when it is time for it; gives how many notifications are new.
///
/// # Errors
/// When the database did not take it.
pub(crate) async fn report(transaction: &mut Transaction) -> Result<usize, sqlx::Error> {
    if !exist(transaction).await? {
        return Ok(0);
    }
    let profile = Profile::read(transaction).await?;
    let limits: Thresholds = thresholds::of(&profile.settings, Kind::MetricAlert.name());
    let Some(today) = due(Utc::now(), profile.zone, &limits) else { return Ok(0) };
    let tenant_id = transaction.tenant_id();
    // What another server told is seen only when it is done.
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('metric_alert', $1))")
        .bind(i64::from(tenant_id))
        .execute(transaction.db())
        .await?;
    let yesterday = today.pred_opt().unwrap_or(today);
    let day: Day =
        sqlx::query_as(DAY).bind(tenant_id).bind(yesterday).bind(today).fetch_one(transaction.db()).await?;
    let mut told = 0;
    for ceo in ceos(transaction).await? {
        let notice = Notice {
            recipient: ceo,
            actor: None,
            kind: Kind::MetricAlert,
            priority: Priority::Medium,
            episode: today.to_string(),
            key: format!("daily:{today}"),
            text: "metric_alert.daily",
            params: json!({ "day": yesterday.to_string(), "leads": day.leads, "won": day.won, "unanswered": day.unanswered }),
            reasons: json!([{ "day": yesterday.to_string() }]),
            entity: ("tenant", tenant_id.to_string()),
            link: "/".to_owned(),
        };
        told += usize::from(raise(transaction, &notice).await?);
    }
    Ok(told)
}

/// Today in the tenant's zone, once it is time there; what is no time counts as not said.
fn due(now: DateTime<Utc>, zone: Tz, limits: &Thresholds) -> Option<NaiveDate> {
    let at = time(&limits.at).or_else(|| time(&Thresholds::default().at))?;
    let local = now.with_timezone(&zone).naive_local();
    (local.time() >= at).then(|| local.date())
}

fn time(text: &str) -> Option<NaiveTime> {
    NaiveTime::parse_from_str(text, "%H:%M").ok()
}

/// What no type tells of thresholds: `at` is a time of the day.
pub(super) fn mistake(given: &Value) -> Option<String> {
    let at = given.get("at").and_then(Value::as_str)?;
    time(at).is_none().then(|| "`at` must be a time of the day, as \"08:00\"".to_owned())
}

/// `$1` tenant, `$2` the day, `$3` the day after it.
const DAY: &str = "
    WITH day AS (
      SELECT $2::date::timestamp AT TIME ZONE time_zone AS start, $3::date::timestamp AT TIME ZONE time_zone AS ending
      FROM tenants WHERE id = $1)
    SELECT
      (SELECT count(*) FROM leads l WHERE l.tenant_id = $1 AND l.created_at >= (SELECT start FROM day)
         AND l.created_at < (SELECT ending FROM day) AND NOT l.is_test AND l.merged_into IS NULL) AS leads,
      (SELECT count(DISTINCT h.lead_id) FROM lead_status_history h
       JOIN leads l ON l.tenant_id = h.tenant_id AND l.id = h.lead_id
       WHERE h.tenant_id = $1 AND h.to_status = 'won' AND h.changed_at >= (SELECT start FROM day)
         AND h.changed_at < (SELECT ending FROM day) AND NOT l.is_test AND l.merged_into IS NULL) AS won,
      (SELECT count(*) FROM conversations c LEFT JOIN leads l ON l.tenant_id = c.tenant_id AND l.id = c.lead_id
       WHERE c.tenant_id = $1 AND c.waiting_since IS NOT NULL
         AND (l.id IS NULL OR (NOT l.is_test AND l.merged_into IS NULL))) AS unanswered";

#[cfg(test)]
mod tests {
    use super::*;

    fn told(now: &str, zone: Tz, at: &str) -> Option<String> {
        let now = DateTime::parse_from_rfc3339(now).unwrap().with_timezone(&Utc);
        due(now, zone, &Thresholds { at: at.to_owned() }).map(|day| day.to_string())
    }

    #[test]
    fn it_is_time_at_eight_on_the_wall() {
        let buenos_aires = chrono_tz::America::Argentina::Buenos_Aires;
        assert_eq!(told("2026-11-26T10:59:59Z", buenos_aires, "08:00"), None);
        assert_eq!(told("2026-11-26T11:00:00Z", buenos_aires, "08:00").as_deref(), Some("2026-11-26"));
        // Late in the evening it is still the same day there.
        assert_eq!(told("2026-11-27T02:59:59Z", buenos_aires, "08:00").as_deref(), Some("2026-11-26"));
        assert_eq!(told("2026-11-27T03:00:00Z", buenos_aires, "08:00"), None);
        assert_eq!(told("2026-11-26T11:00:00Z", buenos_aires, "soon").as_deref(), Some("2026-11-26"));
    }

    #[test]
    fn clock_changes_move_it_with_the_wall() {
        let madrid = chrono_tz::Europe::Madrid;
        for (before, at) in [
            ("2026-03-28T06:59:59Z", "2026-03-28T07:00:00Z"),
            ("2026-03-29T05:59:59Z", "2026-03-29T06:00:00Z"),
            ("2026-10-24T05:59:59Z", "2026-10-24T06:00:00Z"),
            ("2026-10-25T06:59:59Z", "2026-10-25T07:00:00Z"),
        ] {
            assert_eq!(told(before, madrid, "08:00"), None, "{before}");
            assert!(told(at, madrid, "08:00").is_some(), "{at}");
        }
    }
}
