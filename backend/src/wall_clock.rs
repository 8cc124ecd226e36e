//! A time on the wall of a zone as a moment. Pure.

use chrono::{DateTime, Duration, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;

/// The earlier of two where clocks go back, the first there is where they go forward.
pub(crate) fn moment(zone: Tz, local: NaiveDateTime) -> DateTime<Utc> {
    let found = (0..=8)
        .find_map(|quarter| zone.from_local_datetime(&(local + Duration::minutes(15 * quarter))).earliest());
    found.map_or_else(|| local.and_utc(), |moment| moment.with_timezone(&Utc))
}
