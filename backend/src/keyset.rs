//! Where a page of a list ended, for lists in order of time: opaque to clients, bound to its list. Carries no filter
//! and no right.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::ApiError;

/// Rows of a page when none are asked for.
const DEFAULT_LIMIT: i64 = 50;
/// Most rows of a page.
const MOST: i64 = 200;
/// Longest cursor that is looked at.
const LONGEST: usize = 300;

/// A place between two rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    /// Name of the list.
    l: String,
    /// Microseconds since 1970 of the last row.
    t: i64,
    /// Its id.
    i: Uuid,
}

/// The text a client gives back for the page after this row.
pub(crate) fn after(list: &str, at: DateTime<Utc>, id: Uuid) -> String {
    let place = Place { l: list.to_owned(), t: at.timestamp_micros(), i: id };
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&place).expect("a place is plain values"))
}

/// The row a text stands for, when it is one of this list.
///
/// # Errors
/// 400 naming `cursor`.
pub(crate) fn place(list: &str, cursor: Option<&str>) -> Result<Option<(DateTime<Utc>, Uuid)>, ApiError> {
    let Some(text) = cursor else { return Ok(None) };
    let read = || {
        let bytes = URL_SAFE_NO_PAD.decode(Some(text).filter(|text| text.len() <= LONGEST)?).ok()?;
        let place: Place = serde_json::from_slice(&bytes).ok()?;
        let at = DateTime::from_timestamp_micros(place.t)?;
        (place.l == list).then_some((at, place.i))
    };
    read().map(Some).ok_or_else(|| ApiError::field("cursor", "is not a cursor of this list"))
}

/// The id a list of numbered rows goes on from.
///
/// # Errors
/// 400 naming `cursor`.
pub(crate) fn number(cursor: Option<&str>) -> Result<Option<i64>, ApiError> {
    let read = |text: &str| {
        let number = text.parse::<i64>().ok().filter(|number| *number > 0);
        number.ok_or_else(|| ApiError::field("cursor", "is not a cursor of this list"))
    };
    cursor.map(read).transpose()
}

/// Rows of a page.
///
/// # Errors
/// 400 naming `limit`.
pub(crate) fn limit(given: Option<&str>) -> Result<i64, ApiError> {
    let Some(given) = given else { return Ok(DEFAULT_LIMIT) };
    let number = given.parse::<i64>().ok().filter(|number| (1..=MOST).contains(number));
    number.ok_or_else(|| ApiError::field("limit", format!("must be a whole number from 1 to {MOST}")))
}

/// Takes off the row that only says that there are more; gives the last one that stays, when there are.
pub(crate) fn cut<T>(rows: &mut Vec<T>, limit: i64) -> Option<&T> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if rows.len() <= limit {
        return None;
    }
    rows.truncate(limit);
    rows.last()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_and_fits_its_list_only() {
        let at = DateTime::from_timestamp_micros(1_790_000_000_123_456).unwrap();
        let text = after("conversations", at, Uuid::nil());
        assert_eq!(place("conversations", Some(&text)), Ok(Some((at, Uuid::nil()))));
        assert!(place("leads", Some(&text)).is_err());
        for bad in ["", "x", "e30", "bnVsbA", &"A".repeat(LONGEST + 1)] {
            assert!(place("conversations", Some(bad)).is_err(), "{bad}");
        }
        assert_eq!(place("conversations", None), Ok(None));
    }

    #[test]
    fn numbers_and_limits_are_checked() {
        assert_eq!(number(Some("12")), Ok(Some(12)));
        assert!(number(Some("-1")).is_err() && number(Some("99999999999999999999")).is_err());
        assert_eq!(limit(None), Ok(50));
        assert!(limit(Some("0")).is_err() && limit(Some("201")).is_err());
    }
}
