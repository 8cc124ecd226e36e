//! `unanswered`: somebody waits for a human answer. Told in steps, each once per wait: shortly before the target is
//! over and when it is, then after one, four and twenty-four working hours (`unanswered_seconds` of the tenant). The
//! first three go to the owner, or to the CEOs while it lies in the queue; the last two to every CEO.

use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};
use sqlx::FromRow;
use uuid::Uuid;

use super::assignment::ceos;
use super::{Kind, Notice, Priority, raise};
use crate::tenant::{Profile, Transaction};
use crate::working_hours::WorkingHours;

/// Working seconds after which each of the later steps is told.
pub(super) const USUAL: [i64; 3] = [3_600, 4 * 3_600, 24 * 3_600];
/// Name of the own ones in `tenants.settings`.
pub(super) const SETTING: &str = "unanswered_seconds";
/// Longest limit.
const LONGEST_SECONDS: i64 = 365 * 86_400;

/// A conversation in which somebody waits.
#[derive(Debug, FromRow)]
struct Waiting {
    id: Uuid,
    assigned_seller_id: Option<Uuid>,
    waiting_since: DateTime<Utc>,
    response_warn_at: Option<DateTime<Utc>>,
    response_due_at: Option<DateTime<Utc>>,
    name: String,
    now: DateTime<Utc>,
}

/// How far a wait has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Warning,
    Late,
    Long,
    Longer,
    Longest,
}

impl Step {
    const fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Late => "late",
            Self::Long => "1h",
            Self::Longer => "4h",
            Self::Longest => "24h",
        }
    }

    const fn priority(self) -> Priority {
        match self {
            Self::Warning | Self::Late | Self::Long => Priority::High,
            Self::Longer | Self::Longest => Priority::Critical,
        }
    }
}

/// Tells of every wait that has come a step further; gives how many notifications are new.
///
/// # Errors
/// When the database did not take it.
pub(super) async fn check(transaction: &mut Transaction, profile: &Profile) -> Result<usize, sqlx::Error> {
    let hours = profile.working_hours();
    let limits = limits(&profile.settings);
    let waiting = waiting(transaction).await?;
    let ceos = ceos(transaction).await?;
    let mut told = 0;
    for wait in &waiting {
        let Some(step) = step(wait, &hours, &limits) else { continue };
        let owner = wait.assigned_seller_id.filter(|_| step.priority() == Priority::High);
        let readers = owner.map_or_else(|| ceos.clone(), |owner| vec![owner]);
        for recipient in readers {
            told += usize::from(raise(transaction, &notice(wait, step, recipient, profile, &limits)).await?);
        }
    }
    Ok(told)
}

/// The furthest step that a wait has reached.
fn step(wait: &Waiting, hours: &WorkingHours, limits: &[Duration; 3]) -> Option<Step> {
    let passed = |at: Option<DateTime<Utc>>| at.is_some_and(|at| wait.now >= at);
    let after = |limit: Duration| passed(Some(hours.after(wait.waiting_since, limit)));
    [
        (Step::Longest, after(limits[2])),
        (Step::Longer, after(limits[1])),
        (Step::Long, after(limits[0])),
        (Step::Late, passed(wait.response_due_at)),
        (Step::Warning, passed(wait.response_warn_at)),
    ]
    .into_iter()
    .find_map(|(step, reached)| reached.then_some(step))
}

/// The tenant's own limits, or the usual ones.
fn limits(settings: &Value) -> [Duration; 3] {
    let own = settings.get(SETTING).and_then(|given| serde_json::from_value::<[i64; 3]>(given.clone()).ok());
    own.unwrap_or(USUAL).map(|seconds| Duration::seconds(seconds.clamp(1, LONGEST_SECONDS)))
}

/// What is wrong with a tenant's own limits.
pub(super) fn mistake(given: &Value) -> Option<String> {
    let limits: Option<[i64; 3]> = serde_json::from_value(given.clone()).ok();
    let rises = limits.is_some_and(|[first, second, third]| {
        1 <= first && first <= second && second <= third && third <= LONGEST_SECONDS
    });
    (!rises).then(|| {
        format!("must be three numbers of seconds from 1 to {LONGEST_SECONDS}, rising, as {USUAL:?}")
    })
}

fn notice(wait: &Waiting, step: Step, recipient: Uuid, profile: &Profile, limits: &[Duration; 3]) -> Notice {
    // As precise as the database keeps it: two waits of one conversation never share a key.
    let episode = wait.waiting_since.timestamp_micros().to_string();
    let (text, limit) = match step {
        Step::Warning => ("unanswered.warning", None),
        Step::Late => ("unanswered.late", None),
        Step::Long => ("unanswered.long", Some(limits[0])),
        Step::Longer => ("unanswered.long", Some(limits[1])),
        Step::Longest => ("unanswered.long", Some(limits[2])),
    };
    let due = wait.response_due_at.map(|due| due.with_timezone(&profile.zone).format("%H:%M").to_string());
    Notice {
        recipient,
        actor: None,
        kind: Kind::Unanswered,
        priority: step.priority(),
        key: format!("unans:{}:{episode}:{}", wait.id, step.name()),
        episode,
        text,
        params: json!({ "lead": wait.name, "time": limit.map(readable), "due": due }),
        reasons: json!([{ "waiting_since": wait.waiting_since, "step": step.name() }]),
        entity: ("conversation", wait.id.to_string()),
        link: format!("/conversaciones/{}", wait.id),
    }
}

/// A limit as it was set, in the largest unit that says it whole; the same in both languages.
fn readable(limit: Duration) -> String {
    match limit.num_seconds() {
        seconds if seconds % 3_600 == 0 => format!("{} h", seconds / 3_600),
        seconds if seconds % 60 == 0 => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}

async fn waiting(transaction: &mut Transaction) -> Result<Vec<Waiting>, sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    sqlx::query_as(
        "SELECT c.id, c.assigned_seller_id, c.waiting_since, c.response_warn_at, c.response_due_at, now() AS now,
                coalesce(nullif(btrim(l.first_name || ' ' || l.last_name), ''), l.phone, c.contact, '') AS name
         FROM conversations c LEFT JOIN leads l ON l.tenant_id = c.tenant_id AND l.id = c.lead_id
         WHERE c.tenant_id = $1 AND c.waiting_since IS NOT NULL
           AND (l.id IS NULL OR (NOT l.is_test AND l.merged_into IS NULL))
         ORDER BY c.waiting_since, c.id",
    )
    .bind(tenant_id)
    .fetch_all(transaction.db())
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(minutes: i64) -> Waiting {
        // A Thursday, 10:00 in Buenos Aires.
        let since = DateTime::parse_from_rfc3339("2026-11-26T13:00:00Z").unwrap().with_timezone(&Utc);
        Waiting {
            id: Uuid::nil(),
            assigned_seller_id: None,
            waiting_since: since,
            response_warn_at: Some(since + Duration::minutes(4)),
            response_due_at: Some(since + Duration::minutes(5)),
            name: String::new(),
            now: since + Duration::minutes(minutes),
        }
    }

    #[test]
    fn each_wait_comes_a_step_further_in_working_hours() {
        let hours = WorkingHours::of(&json!({}), chrono_tz::America::Argentina::Buenos_Aires);
        let step = |minutes: i64| step(&wait(minutes), &hours, &limits(&json!({})));
        assert_eq!(step(3), None);
        assert_eq!(step(4), Some(Step::Warning));
        assert_eq!(step(5), Some(Step::Late));
        assert_eq!(step(60), Some(Step::Long));
        assert_eq!(step(4 * 60), Some(Step::Longer));
        // The next morning at ten: a day by the clock, ten working hours.
        assert_eq!(step(24 * 60), Some(Step::Longer));
        assert_eq!(step(7 * 24 * 60), Some(Step::Longest));
    }

    #[test]
    fn a_limit_is_told_as_it_was_set() {
        for (seconds, told) in
            [(3_600, "1 h"), (86_400, "24 h"), (1_800, "30 min"), (5_400, "90 min"), (1, "1 s")]
        {
            assert_eq!(readable(Duration::seconds(seconds)), told);
        }
    }

    #[test]
    fn a_tenant_has_limits_of_its_own() {
        assert_eq!(limits(&json!({ "unanswered_seconds": [1, 2, 3] }))[0], Duration::seconds(1));
        assert_eq!(limits(&json!({ "unanswered_seconds": "soon" }))[0], Duration::hours(1));
    }
}
