//! Names of runs: `20261124T120301Z-7f3a`, sortable by time.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, Utc};
use rand::Rng;

/// How the time is written.
const TIME: &str = "%Y%m%dT%H%M%SZ";

/// A new one.
pub fn fresh() -> String {
    let time = Utc::now().format(TIME);
    format!("{time}-{:04x}", rand::rng().random::<u16>())
}

/// The name of a run as somebody typed it. It says nothing of whether there is such a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunId(String);

/// A word that names no run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no run id; they look like `20261124T120301Z-7f3a`, and `crmctl history` lists them")]
pub struct InvalidRunId;

impl RunId {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RunId {
    type Err = InvalidRunId;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let is = |part: &str, length: usize, kind: fn(&u8) -> bool| {
            part.len() == length && part.as_bytes().iter().all(kind)
        };
        let named = word.split_once("Z-").is_some_and(|(time, number)| {
            let hex = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
            time.split_once('T').is_some_and(|(day, clock)| {
                is(day, 8, u8::is_ascii_digit) && is(clock, 6, u8::is_ascii_digit)
            }) && is(number, 4, hex)
        });
        if named { Ok(Self(word.to_owned())) } else { Err(InvalidRunId) }
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// When the run of that name began, to the second before.
pub fn began(run: &str) -> Option<DateTime<Utc>> {
    let (time, _) = run.split_once('-')?;
    NaiveDateTime::parse_from_str(time, TIME).ok().map(|time| time.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_that_is_given_is_read_back_and_no_path_is() {
        let name = fresh();
        assert_eq!(name.parse::<RunId>().unwrap().as_str(), name);
        for word in [
            "",
            "last",
            "20261124T120301Z-7f3",
            "20261124T120301Z-7f3A",
            "20261124T120301Z-7f3a/..",
            "../20261124T120301Z-7f3a",
            "20261124T12030Z-7f3a1",
            "2026112４T12030Z-7f3a",
        ] {
            assert_eq!(word.parse::<RunId>(), Err(InvalidRunId), "{word}");
        }
    }

    #[test]
    fn a_name_says_when_the_run_began() {
        let before = Utc::now();
        let began_at = began(&fresh()).unwrap();
        assert!(began_at <= Utc::now() && (before - began_at).num_seconds() <= 1);
        assert_eq!(began("20261124T120301Z-7f3a").unwrap().to_rfc3339(), "2026-11-24T12:03:01+00:00");
        assert_eq!(began("yesterday-7f3a"), None);
    }
}
