//! The hours in which a tenant works, in its own zone, and the arithmetic of working time. Pure.
//!
//! Shape of `working_hours` in `tenants.settings`, and of `users.shift`: `{"mon": [["09:00", "19:00"]], …, "sun": []}`; a
//! day that is not named has none, `24:00` is its end, a span that ends before it begins goes over midnight, and
//! without `working_hours` at all the usual ones hold.

use chrono::{DateTime, Datelike, Days, Duration, NaiveDate, NaiveTime, Utc, Weekday};
use chrono_tz::Tz;
use serde_json::{Map, Value, json};

use crate::wall_clock::moment;

/// Working time is looked for this far ahead.
const HORIZON_DAYS: u64 = 60;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Half-open spans of a day of the week, in local time, in order.
type Spans = Vec<(NaiveTime, NaiveTime)>;

/// When a tenant works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WorkingHours {
    zone: Tz,
    week: [Spans; 7],
}

impl WorkingHours {
    /// The hours of a tenant's `settings`; what cannot be read counts as not said.
    pub(crate) fn of(settings: &Value, zone: Tz) -> Self {
        Self { zone, week: settings.get("working_hours").and_then(week).unwrap_or_else(usual_week) }
    }

    /// The moment at which `working` of working time have passed since `start`.
    pub(crate) fn after(&self, start: DateTime<Utc>, working: Duration) -> DateTime<Utc> {
        let mut left = working;
        let first = start.with_timezone(&self.zone).date_naive();
        for ahead in 0..HORIZON_DAYS {
            let Some(day) = first.checked_add_days(Days::new(ahead)) else { break };
            for (from, until) in self.spans(day) {
                let from = from.max(start);
                if from >= until {
                    continue;
                }
                if from + left <= until {
                    return from + left;
                }
                left -= until - from;
            }
        }
        // Nobody works for two months: the clock simply runs.
        start + working
    }

    /// Whether `at` lies in them: the start is in, the end is not.
    pub(crate) fn contains(&self, at: DateTime<Utc>) -> bool {
        let day = at.with_timezone(&self.zone).date_naive();
        self.spans(day).any(|(from, until)| from <= at && at < until)
    }

    /// Working hours of one local day, as moments.
    fn spans(&self, day: NaiveDate) -> impl Iterator<Item = (DateTime<Utc>, DateTime<Utc>)> {
        let spans = &self.week[day.weekday().num_days_from_monday() as usize];
        spans.iter().map(move |(from, until)| {
            // The end of the day is the start of the next.
            let ends = if *until == NaiveTime::MIN { day.succ_opt().unwrap_or(day) } else { day };
            (moment(self.zone, day.and_time(*from)), moment(self.zone, ends.and_time(*until)))
        })
    }
}

/// The first thing that is wrong with a week that is given as `working_hours` or as a shift.
pub(crate) fn mistake(given: &Value) -> Option<String> {
    let Some(days) = given.as_object() else { return Some("must be an object of days".to_owned()) };
    if let Some(unknown) = days.keys().find(|name| !DAYS.contains(&name.as_str())) {
        return Some(format!("`{unknown}` is no day: they are {}", DAYS.join(", ")));
    }
    days.iter().find_map(|(name, spans)| {
        let Some(spans) = spans.as_array() else { return Some(format!("`{name}` must be a list of spans")) };
        let wrong = spans.iter().find(|given| span(given).is_none())?;
        Some(format!("`{name}`: {wrong} is no span such as [\"09:00\", \"18:00\"]"))
    })
}

/// The week a tenant gave; none when it is no week.
fn week(given: &Value) -> Option<[Spans; 7]> {
    let given = given.as_object()?;
    let mut week: [Spans; 7] = Default::default();
    for (name, spans) in given {
        let day = DAYS.iter().position(|day| day == name)?;
        for given in spans.as_array()? {
            let (from, until) = span(given)?;
            if from < until || until == NaiveTime::MIN {
                week[day].push((from, until));
            } else {
                week[day].push((from, NaiveTime::MIN));
                week[(day + 1) % 7].push((NaiveTime::MIN, until));
            }
        }
    }
    week.iter_mut().for_each(join);
    Some(week)
}

/// Two times that differ; the end of a day is no beginning.
fn span(given: &Value) -> Option<(NaiveTime, NaiveTime)> {
    let [from, until] = given.as_array()?.as_slice() else { return None };
    let (from, until) = (from.as_str()?, until.as_str()?);
    (from != "24:00" && from != until).then_some((time(from)?, time(until)?))
}

/// In order, and those that overlap or touch as one, so that no minute counts twice.
fn join(spans: &mut Spans) {
    spans.sort_unstable();
    let mut joined: Spans = Vec::with_capacity(spans.len());
    for (from, until) in spans.drain(..) {
        match joined.last_mut() {
            Some((_, end)) if *end == NaiveTime::MIN || from <= *end => {
                *end = if until == NaiveTime::MIN || *end == NaiveTime::MIN {
                    NaiveTime::MIN
                } else {
                    until.max(*end)
                };
            }
            _ => joined.push((from, until)),
        }
    }
    *spans = joined;
}

/// `09:30`, and `24:00` for the end of a day.
fn time(text: &str) -> Option<NaiveTime> {
    if text == "24:00" { Some(NaiveTime::MIN) } else { NaiveTime::parse_from_str(text, "%H:%M").ok() }
}

/// The usual hours as a tenant would give them.
pub(crate) fn usual() -> Value {
    let spans = |spans: &Spans| -> Value {
        let text = |at: &NaiveTime| at.format("%H:%M").to_string();
        spans.iter().map(|(from, until)| json!([text(from), text(until)])).collect()
    };
    DAYS.iter()
        .zip(&usual_week())
        .map(|(day, hours)| ((*day).to_owned(), spans(hours)))
        .collect::<Map<_, _>>()
        .into()
}

/// Nine to seven, and Saturday morning.
fn usual_week() -> [Spans; 7] {
    let at = |hour| NaiveTime::from_hms_opt(hour, 0, 0).expect("an hour of the day");
    std::array::from_fn(|day| match Weekday::try_from(day as u8) {
        Ok(Weekday::Sun) | Err(_) => vec![],
        Ok(Weekday::Sat) => vec![(at(9), at(13))],
        Ok(_) => vec![(at(9), at(19))],
    })
}

#[cfg(test)]
mod tests;
