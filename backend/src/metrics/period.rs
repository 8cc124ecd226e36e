//! The days that figures are asked for: whole days of a zone, half-open, so that no moment is in two and none in neither.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use utoipa::ToSchema;

use crate::error::{ApiError, FieldError};
use crate::tenant::Transaction;

/// Longest period in days.
const LONGEST: i64 = 366;
/// What is shown when nothing is asked for.
const USUAL: i64 = 30;

/// What a request asks for: `period_days`, or `from` and `until`; all optional.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Wish {
    /// So many days, today included.
    pub(crate) period_days: Option<i64>,
    /// First day.
    pub(crate) from: Option<NaiveDate>,
    /// Last day, included.
    pub(crate) until: Option<NaiveDate>,
    /// Zone the days are cut in; the tenant's when absent.
    pub(crate) time_zone: Option<String>,
}

/// Days of a zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Period {
    /// First moment.
    pub(crate) from: DateTime<Utc>,
    /// First moment that is no longer part of it.
    pub(crate) until: DateTime<Utc>,
    /// Zone the days are cut in.
    pub(crate) time_zone: String,
    /// First day.
    #[serde(skip)]
    pub(crate) first: NaiveDate,
    /// Day after the last.
    #[serde(skip)]
    pub(crate) after: NaiveDate,
    /// Day of the present moment.
    #[serde(skip)]
    pub(crate) today: NaiveDate,
    /// The present moment, by the database's clock.
    #[serde(skip)]
    pub(crate) now: DateTime<Utc>,
}

#[derive(FromRow)]
struct Here {
    now: DateTime<Utc>,
    time_zone: String,
}

impl Period {
    /// What `wish` means now, in this tenant.
    ///
    /// # Errors
    /// 400 naming the parameter; 503 when the database is away.
    pub(crate) async fn of(transaction: &mut Transaction, wish: &Wish) -> Result<Self, ApiError> {
        let tenant_id = transaction.tenant_id();
        let here: Here = sqlx::query_as("SELECT now() AS now, time_zone FROM tenants WHERE id = $1")
            .bind(tenant_id)
            .fetch_one(transaction.db())
            .await?;
        Self::at(here.now, wish.time_zone.as_deref().unwrap_or(&here.time_zone), wish)
    }

    /// What `wish` means at `now`, in the zone called `zone`.
    ///
    /// # Errors
    /// 400 naming the parameter.
    pub(crate) fn at(now: DateTime<Utc>, zone: &str, wish: &Wish) -> Result<Self, ApiError> {
        let zone: Tz = zone.parse().map_err(|_| {
            ApiError::field("time_zone", "is no time zone, as America/Argentina/Buenos_Aires")
        })?;
        let today = now.with_timezone(&zone).date_naive();
        let (first, last) = days(today, wish)?;
        let after = last.succ_opt().unwrap_or(last);
        Ok(Self {
            from: midnight(first, zone),
            until: midnight(after, zone),
            time_zone: zone.name().to_owned(),
            first,
            after,
            today,
            now,
        })
    }

    /// As many days right before it.
    pub(crate) fn before(&self) -> Self {
        let zone: Tz = self.time_zone.parse().unwrap_or(Tz::UTC);
        let first = self.first - (self.after - self.first);
        Self { from: midnight(first, zone), until: self.from, first, after: self.first, ..self.clone() }
    }

    /// Its days.
    pub(crate) fn days(&self) -> impl Iterator<Item = NaiveDate> + use<> {
        let after = self.after;
        self.first.iter_days().take_while(move |day| *day < after)
    }
}

fn days(today: NaiveDate, wish: &Wish) -> Result<(NaiveDate, NaiveDate), ApiError> {
    let wrong = |field: &str, message: &str| {
        Err(ApiError::fields(vec![FieldError { field: field.to_owned(), message: message.to_owned() }]))
    };
    match (wish.period_days, wish.from, wish.until) {
        (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
            wrong("period_days", "does not go together with `from` and `until`")
        }
        (Some(days), ..) if !(1..=LONGEST).contains(&days) => wrong("period_days", "must be from 1 to 366"),
        (None, None, Some(_)) => wrong("from", "is missing"),
        (None, Some(from), until) => {
            let until = until.unwrap_or(today);
            if until < from {
                return wrong("until", "is before `from`");
            }
            if (until - from).num_days() >= LONGEST {
                return wrong("from", "is more than 366 days before `until`");
            }
            if !(1970..=9000).contains(&chrono::Datelike::year(&from))
                || chrono::Datelike::year(&until) > 9000
            {
                return wrong("from", "is too far away");
            }
            Ok((from, until))
        }
        (days, None, None) => Ok((today - TimeDelta::days(days.unwrap_or(USUAL) - 1), today)),
    }
}

/// The first moment of a day; where clocks jump over midnight, the first that there is.
fn midnight(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let mut moment = day.and_time(chrono::NaiveTime::MIN);
    loop {
        match moment.and_local_timezone(zone).earliest() {
            Some(first) => return first.with_timezone(&Utc),
            None => moment += TimeDelta::minutes(15),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(now: &str, zone: &str, wish: &Wish) -> (String, String) {
        let period = Period::at(now.parse().unwrap(), zone, wish).unwrap();
        (period.from.to_rfc3339(), period.until.to_rfc3339())
    }

    #[test]
    fn days_are_those_of_the_zone() {
        let one = Wish { period_days: Some(1), ..Wish::default() };
        let expected = ("2026-03-01T03:00:00+00:00".to_owned(), "2026-03-02T03:00:00+00:00".to_owned());
        assert_eq!(at("2026-03-02T02:59:59Z", "America/Argentina/Buenos_Aires", &one), expected);
        // The day on which clocks go back has 25 hours, and none is lost.
        let expected = ("2026-10-24T22:00:00+00:00".to_owned(), "2026-10-25T23:00:00+00:00".to_owned());
        assert_eq!(at("2026-10-25T12:00:00Z", "Europe/Madrid", &one), expected);
        // In Santiago clocks jump over midnight.
        let expected = ("2026-09-06T04:00:00+00:00".to_owned(), "2026-09-07T03:00:00+00:00".to_owned());
        assert_eq!(at("2026-09-06T12:00:00Z", "America/Santiago", &one), expected);
    }

    #[test]
    fn the_period_before_ends_where_it_begins() {
        let now = "2026-11-26T12:00:00Z".parse().unwrap();
        let wish = Wish { period_days: Some(7), ..Wish::default() };
        let period = Period::at(now, "Europe/Madrid", &wish).unwrap();
        let before = period.before();
        assert_eq!((before.until, before.days().count()), (period.from, 7));
        assert_eq!(period.days().last(), Some(period.today));
    }

    #[test]
    fn wishes_that_mean_nothing_are_refused_by_name() {
        let now: DateTime<Utc> = "2026-11-26T12:00:00Z".parse().unwrap();
        let day = |text: &str| Some(text.parse().unwrap());
        let wrong = [
            (Wish { period_days: Some(0), ..Wish::default() }, "period_days"),
            (Wish { period_days: Some(367), ..Wish::default() }, "period_days"),
            (Wish { period_days: Some(7), from: day("2026-01-01"), ..Wish::default() }, "period_days"),
            (Wish { until: day("2026-01-01"), ..Wish::default() }, "from"),
            (Wish { from: day("2026-01-02"), until: day("2026-01-01"), ..Wish::default() }, "until"),
            (Wish { from: day("2024-01-01"), ..Wish::default() }, "from"),
            (Wish { from: day("1200-01-01"), until: day("1200-01-02"), ..Wish::default() }, "from"),
        ];
        for (wish, field) in wrong {
            let error = Period::at(now, "UTC", &wish).unwrap_err();
            assert_eq!(error.fields[0].field, field, "{wish:?}");
        }
        assert_eq!(Period::at(now, "Mars/Base", &Wish::default()).unwrap_err().fields[0].field, "time_zone");
    }
}
