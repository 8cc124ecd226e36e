//! The one summary after quiet hours: what came while nothing rang, told once when the quiet hours of a person are over,
//! counted in their own zone. What rang all the same is not in it.

use chrono::{DateTime, Days, NaiveTime, Utc};
use chrono_tz::Tz;
use serde_json::json;
use sqlx::FromRow;
use uuid::Uuid;

use super::{Kind, Notice, Priority, raise};
use crate::tenant::{Profile, Transaction};
use crate::wall_clock::moment;

/// Somebody with quiet hours.
#[derive(Debug, FromRow)]
struct Sleeper {
    id: Uuid,
    time_zone: Option<String>,
    quiet_from: NaiveTime,
    quiet_until: NaiveTime,
    quiet_summary_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
}

/// Tells everybody whose quiet hours are over; gives how many notifications are new.
///
/// # Errors
/// When the database did not take it.
pub(super) async fn check(transaction: &mut Transaction, profile: &Profile) -> Result<usize, sqlx::Error> {
    let mut told = 0;
    for sleeper in sleepers(transaction).await? {
        let zone = sleeper.time_zone.as_deref().and_then(|zone| zone.parse().ok()).unwrap_or(profile.zone);
        let night = last_night(sleeper.now, zone, sleeper.quiet_from, sleeper.quiet_until);
        let Some((start, end)) = night.filter(|(_, end)| sleeper.quiet_summary_at < Some(*end)) else {
            continue;
        };
        if let Some(count) = held_back(transaction, sleeper.id, start, end).await? {
            told += usize::from(raise(transaction, &notice(sleeper.id, end, count)).await?);
        }
    }
    Ok(told)
}

/// The quiet hours that ended last, as moments; none while it is quiet.
fn last_night(
    now: DateTime<Utc>,
    zone: Tz,
    from: NaiveTime,
    until: NaiveTime,
) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    let today = now.with_timezone(&zone).date_naive();
    let nights = (0..3).filter_map(|ago| {
        let ended = today.checked_sub_days(Days::new(ago))?;
        let began = if from < until { ended } else { ended.pred_opt()? };
        Some((moment(zone, began.and_time(from)), moment(zone, ended.and_time(until))))
    });
    let (start, end) = nights.filter(|(_, end)| *end <= now).max_by_key(|(_, end)| *end)?;
    let wall = now.with_timezone(&zone).time();
    let is_quiet = if from < until { from <= wall && wall < until } else { from <= wall || wall < until };
    (!is_quiet).then_some((start, end))
}

fn notice(recipient: Uuid, end: DateTime<Utc>, count: i64) -> Notice {
    Notice {
        recipient,
        actor: None,
        kind: Kind::QuietSummary,
        priority: Priority::Medium,
        episode: end.timestamp().to_string(),
        key: format!("quiet:{}", end.timestamp()),
        text: "quiet.summary",
        params: json!({ "count": count }),
        reasons: json!([{ "until": end, "count": count }]),
        entity: ("user", recipient.to_string()),
        link: "/notificaciones".to_owned(),
    }
}

/// Everybody with quiet hours who is not muted at this moment.
async fn sleepers(transaction: &mut Transaction) -> Result<Vec<Sleeper>, sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    sqlx::query_as(
        "SELECT u.id, u.time_zone, s.quiet_from, s.quiet_until, s.quiet_summary_at, now() AS now
         FROM notification_settings s JOIN users u ON u.tenant_id = s.tenant_id AND u.id = s.user_id
         WHERE s.tenant_id = $1 AND s.quiet_from <> s.quiet_until AND u.status = 'active'
           AND NOT coalesce(s.mute_until > now(), false)
         ORDER BY u.id",
    )
    .bind(tenant_id)
    .fetch_all(transaction.db())
    .await
}

/// How many came in these quiet hours without ringing and are unread; none when there are none, or when somebody else
/// has just told them.
async fn held_back(
    transaction: &mut Transaction,
    user: Uuid,
    start: DateTime<Utc>,
    end: DateTime<Utc>,
) -> Result<Option<i64>, sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    let count: Option<i64> = sqlx::query_scalar(
        "WITH mine AS (
           UPDATE notification_settings SET quiet_summary_at = $4
           WHERE tenant_id = $1 AND user_id = $2 AND (quiet_summary_at IS NULL OR quiet_summary_at < $4)
           RETURNING critical_pierces)
         SELECT (SELECT count(*) FROM notifications n
                 WHERE n.tenant_id = $1 AND n.recipient_id = $2 AND n.created_at >= $3 AND n.created_at < $4
                   AND n.read_at IS NULL AND NOT (n.priority = 'critical' AND mine.critical_pierces))
         FROM mine",
    )
    .bind(tenant_id)
    .bind(user)
    .bind(start)
    .bind(end)
    .fetch_optional(transaction.db())
    .await?;
    Ok(count.filter(|count| *count > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().with_timezone(&Utc)
    }

    fn night(now: &str, zone: Tz, from: &str, until: &str) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let time = |text: &str| NaiveTime::parse_from_str(text, "%H:%M").unwrap();
        last_night(at(now), zone, time(from), time(until))
    }

    #[test]
    fn over_midnight_it_is_the_night_that_ended_this_morning() {
        let zone = chrono_tz::America::Argentina::Buenos_Aires;
        let whole = Some((at("2026-11-26T01:00:00Z"), at("2026-11-26T10:00:00Z")));
        for (now, expected) in [
            ("2026-11-26T09:59:59Z", None),
            ("2026-11-26T10:00:00Z", whole),
            ("2026-11-27T00:59:59Z", whole),
            ("2026-11-27T01:00:00Z", None),
        ] {
            assert_eq!(night(now, zone, "22:00", "07:00"), expected, "{now}");
        }
    }

    #[test]
    fn a_siesta_is_within_one_day() {
        let zone = chrono_tz::America::Argentina::Buenos_Aires;
        let today = Some((at("2026-11-26T16:00:00Z"), at("2026-11-26T18:00:00Z")));
        assert_eq!(night("2026-11-26T18:00:00Z", zone, "13:00", "15:00"), today);
        assert_eq!(night("2026-11-26T17:59:59Z", zone, "13:00", "15:00"), None);
        let yesterday = Some((at("2026-11-25T16:00:00Z"), at("2026-11-25T18:00:00Z")));
        assert_eq!(night("2026-11-26T15:59:59Z", zone, "13:00", "15:00"), yesterday);
    }

    #[test]
    fn a_night_with_a_clock_change_is_an_hour_longer_or_shorter() {
        let zone = chrono_tz::Europe::Madrid;
        let spring = Some((at("2026-03-28T21:00:00Z"), at("2026-03-29T05:00:00Z")));
        assert_eq!(night("2026-03-29T05:00:00Z", zone, "22:00", "07:00"), spring);
        let autumn = Some((at("2026-10-24T20:00:00Z"), at("2026-10-25T06:00:00Z")));
        assert_eq!(night("2026-10-25T06:00:00Z", zone, "22:00", "07:00"), autumn);
        assert_eq!(night("2026-10-25T05:59:59Z", zone, "22:00", "07:00"), None);
    }
}
