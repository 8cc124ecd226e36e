//! `meta_silent`: leads do not come as they should. Critical to every CEO, with the cause and how to mend it; of several
//! causes the one that has to be mended first. What reconciliation saw of a page decides; the last cause, no lead for a
//! time that is unusual for these hours of the week, is worked out here.

use std::collections::HashMap;

use chrono::{DateTime, Datelike, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};
use sqlx::FromRow;
use uuid::Uuid;

use super::assignment::ceos;
use super::{Kind, Notice, Priority, raise};
use crate::tenant::{Profile, Transaction};

/// A token that ends sooner than this is told of.
const SHORT_TOKEN: TimeDelta = TimeDelta::days(7);
/// Leads that nobody told of, since somebody last did: this many are no accident.
const UNTOLD: i64 = 2;
/// Weeks that say what is usual.
const WEEKS: i64 = 8;
/// Weeks there must be to say anything.
const FEWEST_WEEKS: i64 = 2;
/// Leads that should have come: with as many, silence by chance is rarer than once in 20,000 (`e^-10`), were they
/// independent; they are not quite, hence so far out.
const EXPECTED: f64 = 10.0;

/// A page and what is known of it.
#[derive(Debug, Clone, FromRow)]
struct Page {
    page_id: String,
    name: String,
    status: String,
    status_since: DateTime<Utc>,
    token_expires_at: Option<DateTime<Utc>>,
    last_lead_at: Option<DateTime<Utc>>,
    /// When the webhook last told of a lead; when it was connected, while it never did.
    told_at: DateTime<Utc>,
    /// Leads since then that only reconciliation found, and that nobody told of for a quarter of an hour.
    untold: i64,
    now: DateTime<Utc>,
}

/// Why leads do not come, with what fills its text.
#[derive(Debug, Clone, PartialEq)]
struct Cause {
    text: &'static str,
    /// When it began: one episode is told once.
    since: DateTime<Utc>,
    params: Value,
}

/// Tells of every page whose leads do not come; gives how many notifications are new.
///
/// # Errors
/// When the database did not take it.
pub(super) async fn check(transaction: &mut Transaction, profile: &Profile) -> Result<usize, sqlx::Error> {
    let mut told = 0;
    let mut readers: Option<Vec<Uuid>> = None;
    for page in pages(transaction).await? {
        let cause = match known_cause(&page, profile.zone) {
            Some(cause) => Some(cause),
            None => unusual_silence(transaction, &page, profile.zone).await?,
        };
        let Some(cause) = cause else { continue };
        if readers.is_none() {
            readers = Some(ceos(transaction).await?);
        }
        for recipient in readers.iter().flatten() {
            told += usize::from(raise(transaction, &notice(&page, &cause, *recipient)).await?);
        }
    }
    Ok(told)
}

/// Pages that have a token: of others nothing is expected. None while migration 021 is reverted.
async fn pages(transaction: &mut Transaction) -> Result<Vec<Page>, sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    let exist: bool = sqlx::query_scalar("SELECT to_regclass('public.meta_forms') IS NOT NULL")
        .fetch_one(transaction.db())
        .await?;
    if !exist {
        return Ok(vec![]);
    }
    sqlx::query_as(
        "SELECT p.page_id, coalesce(nullif(p.name, ''), p.page_id) AS name, p.status, coalesce(p.status_since, p.created_at) AS status_since, p.token_expires_at,
                p.last_lead_at, now() AS now, told.at AS told_at,
                (SELECT count(*) FROM meta_lead_inbox i
                 WHERE i.tenant_id = p.tenant_id AND i.page_id = p.page_id AND i.webhook_at IS NULL
                   AND i.received_at > told.at AND i.received_at < now() - interval '15 minutes'
                   AND i.submitted_at > p.created_at) AS untold
         FROM meta_pages p, LATERAL (
           SELECT coalesce(max(i.webhook_at), p.created_at) AS at FROM meta_lead_inbox i
           WHERE i.tenant_id = p.tenant_id AND i.page_id = p.page_id) told
         WHERE p.tenant_id = $1 AND p.sealed_token IS NOT NULL ORDER BY p.page_id",
    )
    .bind(tenant_id)
    .fetch_all(transaction.db())
    .await
}

/// What has been seen of the page, worst first.
fn known_cause(page: &Page, zone: Tz) -> Option<Cause> {
    let of_status =
        |text| Some(Cause { text, since: page.status_since, params: json!({ "page": page.name }) });
    match page.status.as_str() {
        "token_expired" => return of_status("meta_silent.token_expired"),
        "access_revoked" => return of_status("meta_silent.access_revoked"),
        "unsubscribed" => return of_status("meta_silent.unsubscribed"),
        _ => {}
    }
    if page.untold >= UNTOLD {
        let params = json!({ "page": page.name, "missed": page.untold });
        return Some(Cause { text: "meta_silent.webhook_failing", since: page.told_at, params });
    }
    let ends = page.token_expires_at.filter(|ends| *ends < page.now + SHORT_TOKEN)?;
    let until = ends.with_timezone(&zone).format("%Y-%m-%d %H:%M").to_string();
    let params = json!({ "page": page.name, "until": until });
    Some(Cause { text: "meta_silent.token_short", since: ends, params })
}

/// No lead for longer than these hours of the week explain.
async fn unusual_silence(
    transaction: &mut Transaction,
    page: &Page,
    zone: Tz,
) -> Result<Option<Cause>, sqlx::Error> {
    let Some(last) = page.last_lead_at else { return Ok(None) };
    // Ten leads in an hour are rare; sooner there is nothing to count.
    if page.now - last < TimeDelta::hours(1) {
        return Ok(None);
    }
    let tenant_id = transaction.tenant_id();
    let sent: Vec<DateTime<Utc>> = sqlx::query_scalar(
        "SELECT submitted_at FROM lead_submissions
         WHERE tenant_id = $1 AND page_id = $2 AND NOT is_test
           AND submitted_at <= $3 AND submitted_at > $3 - make_interval(weeks => $4)",
    )
    .bind(tenant_id)
    .bind(&page.page_id)
    .bind(last)
    .bind(i32::try_from(WEEKS).unwrap_or(8))
    .fetch_all(transaction.db())
    .await?;
    let expected = expected(&sent, last, page.now, zone);
    if expected < EXPECTED {
        return Ok(None);
    }
    let hours = (page.now - last).num_hours();
    let params = json!({ "page": page.name, "hours": hours, "usual": expected.round() as i64 });
    Ok(Some(Cause { text: "meta_silent.no_leads", since: last, params }))
}

/// How many leads should have come from `last` until `now`, by how many came in each hour of the week before; 0 when
/// there were too few weeks.
fn expected(sent: &[DateTime<Utc>], last: DateTime<Utc>, now: DateTime<Utc>, zone: Tz) -> f64 {
    let Some(first) = sent.iter().min() else { return 0.0 };
    // Begun weeks count: a week that is half over has had half its chances, which only makes us slower to complain.
    let weeks = ((last - *first).num_days() / 7 + 1).min(WEEKS);
    if (last - *first).num_days() < FEWEST_WEEKS * 7 {
        return 0.0;
    }
    let hour_of_week = |at: DateTime<Utc>| {
        let local = at.with_timezone(&zone);
        local.weekday().num_days_from_monday() * 24 + local.hour()
    };
    let mut by_hour: HashMap<u32, f64> = HashMap::new();
    for at in sent {
        *by_hour.entry(hour_of_week(*at)).or_default() += 1.0;
    }
    // A silence longer than the history is judged by as much of it.
    let end = now.min(last + TimeDelta::weeks(WEEKS));
    let mut sum = 0.0;
    let mut at = last;
    while at < end {
        let step = TimeDelta::minutes(15).min(end - at);
        let part = step.num_seconds() as f64 / 3_600.0;
        sum += part * by_hour.get(&hour_of_week(at)).copied().unwrap_or(0.0) / weeks as f64;
        at += step;
    }
    sum
}

fn notice(page: &Page, cause: &Cause, recipient: Uuid) -> Notice {
    let episode = cause.since.timestamp_micros().to_string();
    let word = cause.text.trim_start_matches("meta_silent.");
    Notice {
        recipient,
        kind: Kind::MetaSilent,
        priority: Priority::Critical,
        key: format!("meta_silent:{}:{word}:{episode}", page.page_id),
        episode,
        text: cause.text,
        params: cause.params.clone(),
        actor: None,
        reasons: json!([{ "cause": word, "since": cause.since }]),
        entity: ("meta_page", page.page_id.clone()),
        link: "/configuracion".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZONE: Tz = chrono_tz::America::Argentina::Buenos_Aires;

    fn at(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().with_timezone(&Utc)
    }

    fn page() -> Page {
        let now = at("2026-11-26T18:00:00Z");
        Page {
            page_id: "100".to_owned(),
            name: "Uno".to_owned(),
            status: "active".to_owned(),
            status_since: at("2026-11-20T00:00:00Z"),
            token_expires_at: None,
            last_lead_at: None,
            told_at: at("2026-11-26T10:00:00Z"),
            untold: 0,
            now,
        }
    }

    fn text(page: &Page) -> Option<&'static str> {
        known_cause(page, ZONE).map(|cause| cause.text)
    }

    #[test]
    fn of_several_causes_the_one_to_mend_first_is_told() {
        assert_eq!(text(&page()), None);
        let ends = Some(at("2026-11-28T18:00:00Z"));
        let short = Page { token_expires_at: ends, ..page() };
        assert_eq!(text(&short), Some("meta_silent.token_short"));
        let untold = Page { untold: 2, ..short };
        assert_eq!(text(&untold), Some("meta_silent.webhook_failing"));
        let lost = Page { status: "unsubscribed".to_owned(), ..untold };
        assert_eq!(text(&lost), Some("meta_silent.unsubscribed"));
        let far = Page { token_expires_at: Some(at("2027-01-20T00:00:00Z")), untold: 1, ..page() };
        assert_eq!(text(&far), None);
    }

    /// Two leads an hour from nine to seven on working days, for five weeks up to Friday, 18:30 in Buenos Aires.
    fn office_hours() -> Vec<DateTime<Utc>> {
        let end = at("2026-11-27T21:30:00Z");
        let halves = (0..5 * 7 * 48).map(|back| end - TimeDelta::minutes(30 * back));
        halves
            .filter(|at| {
                let local = at.with_timezone(&ZONE);
                local.weekday().num_days_from_monday() < 5 && (9..19).contains(&local.hour())
            })
            .collect()
    }

    #[test]
    fn nights_and_weekends_are_no_silence() {
        let sent = office_hours();
        let last = *sent.iter().max().unwrap();
        let expected = |until: &str| expected(&sent, last, at(until), ZONE);
        assert!(expected("2026-11-30T11:59:00Z") < 1.5, "Monday before nine");
        // Four hours of Monday: about eight leads; six hours: about twelve.
        let (noon, afternoon) = (expected("2026-11-30T16:00:00Z"), expected("2026-11-30T18:00:00Z"));
        assert!((7.0..10.0).contains(&noon), "{noon}");
        assert!((11.0..14.0).contains(&afternoon), "{afternoon}");
    }

    #[test]
    fn a_young_page_is_not_judged() {
        let sent: Vec<_> =
            office_hours().into_iter().filter(|sent| *sent > at("2026-11-16T00:00:00Z")).collect();
        let last = *sent.iter().max().unwrap();
        assert!(expected(&sent, last, at("2026-12-04T18:00:00Z"), ZONE).abs() < f64::EPSILON);
        assert!(expected(&[], last, at("2026-12-04T18:00:00Z"), ZONE).abs() < f64::EPSILON);
    }
}
