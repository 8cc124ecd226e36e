//! Speed to lead: how soon an answer is due, in the tenant's working hours. Pure: settings and a moment in, two
//! moments out; the state of a wait follows from them.
//!
//! Shape of `response_target` in `tenants.settings`: `{"default_minutes": 5, "by_source": {"REFERRAL": 30}}`.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::working_hours::WorkingHours;

/// Minutes until an answer is due when the tenant says nothing.
const DEFAULT_MINUTES: u32 = 5;
/// Part of the target after which it warns.
const WARN_AFTER: f64 = 0.8;

/// When an answer is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due {
    /// Four fifths of the time are over.
    pub(crate) warn_at: DateTime<Utc>,
    /// All of it.
    pub(crate) due_at: DateTime<Utc>,
}

/// How an answer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ResponseState {
    /// There is time left.
    OnTime,
    /// A fifth of the time is left.
    Warning,
    /// It should have been answered.
    Late,
    /// It was answered in time.
    Met,
    /// It was answered too late.
    Missed,
}

impl ResponseState {
    /// The word in answers.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::OnTime => "on_time",
            Self::Warning => "warning",
            Self::Late => "late",
            Self::Met => "met",
            Self::Missed => "missed",
        }
    }

    /// The state at `now`; none where nothing was ever due.
    pub(crate) fn at(
        now: DateTime<Utc>,
        warn_at: Option<DateTime<Utc>>,
        due_at: Option<DateTime<Utc>>,
        answered_at: Option<DateTime<Utc>>,
    ) -> Option<Self> {
        let due_at = due_at?;
        Some(match answered_at {
            Some(answered) if answered <= due_at => Self::Met,
            Some(_) => Self::Missed,
            None if now > due_at => Self::Late,
            None if warn_at.is_some_and(|warn| now >= warn) => Self::Warning,
            None => Self::OnTime,
        })
    }
}

/// What a tenant promises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResponseTarget {
    default: Duration,
    by_source: BTreeMap<String, Duration>,
    hours: WorkingHours,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Minutes {
    default_minutes: Option<u32>,
    by_source: BTreeMap<String, u32>,
}

/// Longest promise.
const LONGEST_MINUTES: u32 = 7 * 24 * 60;

/// The usual promise as a tenant would give it.
pub(crate) fn usual() -> Value {
    json!({ "default_minutes": DEFAULT_MINUTES, "by_source": {} })
}

/// The first thing that is wrong with what is given as `response_target`.
pub(crate) fn mistake(given: &Value) -> Option<String> {
    let Some(fields) = given.as_object() else { return Some("must be an object".to_owned()) };
    if let Some(unknown) =
        fields.keys().find(|name| !["default_minutes", "by_source"].contains(&name.as_str()))
    {
        return Some(format!("`{unknown}` is not known: there are default_minutes and by_source"));
    }
    let is_usable = |minutes: &Value| {
        minutes.as_u64().is_some_and(|minutes| (1..=u64::from(LONGEST_MINUTES)).contains(&minutes))
    };
    if fields.get("default_minutes").is_some_and(|minutes| !is_usable(minutes)) {
        return Some(format!("`default_minutes` must be a whole number from 1 to {LONGEST_MINUTES}"));
    }
    let by_source = fields.get("by_source")?;
    let Some(by_source) = by_source.as_object() else {
        return Some("`by_source` must be an object of minutes by lead source".to_owned());
    };
    if let Some(unknown) = by_source.keys().find(|source| !is_source(source)) {
        return Some(format!("`by_source`: `{}` is no lead source, as META_ADS", unknown.escape_debug()));
    }
    let (source, _) = by_source.iter().find(|(_, minutes)| !is_usable(minutes))?;
    Some(format!("`by_source`: the minutes of `{source}` must be a whole number from 1 to {LONGEST_MINUTES}"))
}

/// Whether a lead may have this source (`leads_lead_source_shape`).
fn is_source(text: &str) -> bool {
    (2..=40).contains(&text.len())
        && text.starts_with(|letter: char| letter.is_ascii_uppercase())
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

impl ResponseTarget {
    /// The target of a tenant's `settings`; what cannot be read counts as not said.
    pub(crate) fn of(settings: &Value, zone: Tz) -> Self {
        let read = |name: &str| settings.get(name).cloned();
        let minutes: Minutes =
            read("response_target").and_then(|given| serde_json::from_value(given).ok()).unwrap_or_default();
        let duration = |minutes: u32| Duration::minutes(i64::from(minutes.clamp(1, LONGEST_MINUTES)));
        Self {
            default: duration(minutes.default_minutes.unwrap_or(DEFAULT_MINUTES)),
            by_source: minutes
                .by_source
                .into_iter()
                .map(|(source, given)| (source, duration(given)))
                .collect(),
            hours: WorkingHours::of(settings, zone),
        }
    }

    /// When an answer to something of `source` that begins at `start` is due.
    pub(crate) fn due(&self, start: DateTime<Utc>, source: &str) -> Due {
        let target = self.by_source.get(source).copied().unwrap_or(self.default);
        let warn = Duration::milliseconds((target.num_milliseconds() as f64 * WARN_AFTER) as i64);
        Due { warn_at: self.hours.after(start, warn), due_at: self.hours.after(start, target) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().with_timezone(&Utc)
    }

    fn target(settings: Value) -> ResponseTarget {
        ResponseTarget::of(&settings, chrono_tz::America::Argentina::Buenos_Aires)
    }

    #[test]
    fn inside_working_hours_the_clock_runs() {
        // A Thursday, 11:00 in Buenos Aires.
        let due = target(json!({})).due(at("2026-11-26T14:00:00Z"), "META_ADS");
        assert_eq!(due.warn_at, at("2026-11-26T14:04:00Z"));
        assert_eq!(due.due_at, at("2026-11-26T14:05:00Z"));
    }

    #[test]
    fn at_night_and_over_the_weekend_it_waits_for_the_next_morning() {
        let target = target(json!({}));
        // Thursday 23:00: Friday 09:05.
        assert_eq!(target.due(at("2026-11-27T02:00:00Z"), "").due_at, at("2026-11-27T12:05:00Z"));
        // Saturday 12:58: two minutes then, three on Monday.
        assert_eq!(target.due(at("2026-11-28T15:58:00Z"), "").due_at, at("2026-11-30T12:03:00Z"));
    }

    #[test]
    fn each_source_has_its_target_and_nonsense_counts_as_not_said() {
        let settings = json!({"response_target": {"default_minutes": 10, "by_source": {"REFERRAL": 60}}});
        let start = at("2026-11-26T14:00:00Z");
        assert_eq!(target(settings.clone()).due(start, "REFERRAL").due_at, start + Duration::minutes(60));
        assert_eq!(target(settings).due(start, "ORGANIC").due_at, start + Duration::minutes(10));
        let nonsense = json!({"response_target": "soon", "working_hours": {"mon": "always"}});
        assert_eq!(target(nonsense).due(start, "").due_at, start + Duration::minutes(5));
    }

    #[test]
    fn who_never_works_and_who_always_does_have_an_end_too() {
        let start = at("2026-11-29T03:00:00Z");
        assert_eq!(target(json!({"working_hours": {}})).due(start, "").due_at, start + Duration::minutes(5));
        let days: serde_json::Map<String, Value> = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
            .iter()
            .map(|day| ((*day).to_owned(), json!([["00:00", "24:00"]])))
            .collect();
        assert_eq!(
            target(json!({"working_hours": days})).due(start, "").due_at,
            start + Duration::minutes(5)
        );
    }

    #[test]
    fn a_clock_change_inside_the_day_neither_gives_nor_takes_time() {
        // Madrid goes from 02:00 to 03:00 on 2026-03-29.
        let settings = json!({"response_target": {"default_minutes": 120}, "working_hours": {"sun": [["00:00", "06:00"]]}});
        let target = ResponseTarget::of(&settings, chrono_tz::Europe::Madrid);
        // 01:30 local is 00:30 UTC; two hours later it is 02:30 UTC, 04:30 local.
        assert_eq!(target.due(at("2026-03-29T00:30:00Z"), "").due_at, at("2026-03-29T02:30:00Z"));
    }

    #[test]
    fn states_follow_from_the_moments() {
        let (warn, due) = (Some(at("2026-11-26T14:04:00Z")), Some(at("2026-11-26T14:05:00Z")));
        let state =
            |now: &str, answered: Option<&str>| ResponseState::at(at(now), warn, due, answered.map(at));
        assert_eq!(state("2026-11-26T14:03:59Z", None), Some(ResponseState::OnTime));
        assert_eq!(state("2026-11-26T14:04:00Z", None), Some(ResponseState::Warning));
        assert_eq!(state("2026-11-26T14:05:01Z", None), Some(ResponseState::Late));
        assert_eq!(state("2026-11-26T15:00:00Z", Some("2026-11-26T14:05:00Z")), Some(ResponseState::Met));
        assert_eq!(state("2026-11-26T15:00:00Z", Some("2026-11-26T14:05:01Z")), Some(ResponseState::Missed));
        assert_eq!(ResponseState::at(at("2026-11-26T15:00:00Z"), None, None, None), None);
    }
}
