//! A place in the outbox, as the tail keeps it and as clients hand it back: everything up to it was told.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Serialize, Serializer};

/// Rows are kept a day longer than a client may have been away.
const OLDEST: TimeDelta = TimeDelta::days(6);

/// Ids are not commit order: the order of the outbox is (writing transaction, id).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    /// The transaction that wrote the row.
    pub(super) xact: i64,
    /// The row.
    pub(super) id: i64,
    /// When it was told, in seconds since 1970; after the order proper, which it never decides.
    pub(super) at: i64,
}

impl Position {
    /// This place, reached now.
    pub(super) fn now(xact: i64, id: i64) -> Self {
        Self { xact, id, at: Utc::now().timestamp() }
    }

    /// Whether the rows after it may be gone already, or never were: it comes from another database.
    pub(super) fn is_useless(&self, told: &Self) -> bool {
        let at = DateTime::from_timestamp(self.at, 0).unwrap_or_default();
        at < Utc::now() - OLDEST || (self.xact, self.id) > (told.xact, told.id)
    }
}

impl Display for Position {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}-{}", self.xact, self.id, self.at)
    }
}

impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A text that is no position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an event id")]
pub(super) struct NoPosition;

impl FromStr for Position {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Self, NoPosition> {
        let number = |text: &str| text.parse().ok().filter(|number: &i64| *number >= 0).ok_or(NoPosition);
        let mut parts = text.splitn(3, '-').map(number);
        let mut next = || parts.next().ok_or(NoPosition)?;
        Ok(Self { xact: next()?, id: next()?, at: next()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let position = Position::now(771, 42);
        assert_eq!(position.to_string().parse(), Ok(position));
        for wrong in ["", "1", "1-2", "1-2-", "1-2-3-4", "-1-2-3", "a-b-c", "1-2-99999999999999999999"] {
            assert_eq!(wrong.parse::<Position>(), Err(NoPosition), "{wrong}");
        }
    }

    #[test]
    fn a_place_that_is_too_old_or_of_another_database_is_of_no_use() {
        let told = Position::now(100, 5);
        assert!(!Position::now(100, 5).is_useless(&told));
        assert!(!Position::now(99, 900).is_useless(&told));
        assert!(Position::now(100, 6).is_useless(&told));
        let week = Utc::now().timestamp() - 7 * 24 * 3600;
        assert!(Position { at: week, ..told }.is_useless(&told));
        assert!(Position { at: i64::MAX, ..told }.is_useless(&told), "no such time");
    }
}
