//! Values by name, and the mistakes found while they were read. Knows no setting by name.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::Path;
use std::str::FromStr;

use super::{Mistake, SettingsError};

/// Longest value file that is read, in bytes.
const LARGEST_FILE: u64 = 64 * 1024;

/// Named values to read settings from, with the mistakes so far.
#[derive(Default)]
pub struct Source {
    values: BTreeMap<String, String>,
    mistakes: Vec<Mistake>,
}

impl Source {
    /// The variables of this process, files named by `NAME_FILE` included.
    #[must_use]
    pub fn environment() -> Self {
        Self::from_pairs(std::env::vars_os().filter_map(|(name, value)| {
            // Variables that are not text belong to somebody else, unless they are asked for by name.
            Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
        }))
    }

    /// Given pairs, as a test has them.
    pub fn from_pairs<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let values = pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { values, mistakes: Vec::new() }
    }

    /// Notes that `name` cannot be used.
    pub(super) fn mistake(&mut self, name: &str, problem: impl Display) {
        self.mistakes.push(Mistake { name: name.to_owned(), problem: problem.to_string() });
    }

    /// Whether `name` has a value, directly or as a file.
    pub(super) fn is_set(&self, name: &str) -> bool {
        let filled = |name: &str| self.values.get(name).is_some_and(|value| !value.is_empty());
        filled(name) || filled(&format!("{name}_FILE"))
    }

    /// The value of `name`; empty counts as absent.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        let direct = self.values.get(name).filter(|value| !value.is_empty()).cloned();
        let file = self.values.get(&format!("{name}_FILE")).filter(|value| !value.is_empty()).cloned();
        match (direct, file) {
            (Some(_), Some(_)) => {
                self.mistake(name, format_args!("is given twice, also as `{name}_FILE`"));
                None
            }
            (Some(value), None) => Some(value),
            (None, Some(path)) => self.file(name, Path::new(&path)),
            (None, None) => None,
        }
    }

    fn file(&mut self, name: &str, path: &Path) -> Option<String> {
        match read(path) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.mistake(&format!("{name}_FILE"), format_args!("names `{}`: {problem}", path.display()));
                None
            }
        }
    }

    /// The value of `name` through `parse`, which must be there.
    pub(super) fn required<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        if !self.is_set(name) {
            self.mistake(name, "is missing");
            return None;
        }
        self.optional(name, parse)
    }

    /// The value of `name` through `parse`, when it is there.
    pub(super) fn optional<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text(name)?;
        parse(&text).map_err(|problem| self.mistake(name, problem)).ok()
    }

    /// The value of `name` as a `T`, else `default`.
    pub(super) fn parsed<T: FromStr<Err: Display>>(&mut self, name: &str, default: T) -> T {
        let parse = |text: &str| text.parse().map_err(|error| format!("cannot be used: {error}"));
        self.optional(name, parse).unwrap_or(default)
    }

    /// A number inside `range`, else `default`.
    pub(super) fn within<T>(&mut self, name: &str, default: T, range: RangeInclusive<T>) -> T
    where
        T: FromStr + PartialOrd + Display,
    {
        let parse = |text: &str| match text.parse::<T>() {
            Ok(number) if range.contains(&number) => Ok(number),
            _ => Err(format!("must be a whole number from {} to {}", range.start(), range.end())),
        };
        self.optional(name, parse).unwrap_or(default)
    }

    /// A text that `check` accepts, else `default`.
    pub(super) fn matching(
        &mut self,
        name: &str,
        default: &str,
        check: fn(&str) -> Result<(), &'static str>,
    ) -> String {
        let parse = |text: &str| check(text).map(|()| text.to_owned()).map_err(ToOwned::to_owned);
        self.optional(name, parse).unwrap_or_else(|| default.to_owned())
    }

    /// A switch, else `default`.
    pub(super) fn switch(&mut self, name: &str, default: bool) -> bool {
        let parse = |text: &str| match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err("must be `true` or `false`".to_owned()),
        };
        self.optional(name, parse).unwrap_or(default)
    }

    /// The parts of a comma-separated list, without empty ones.
    pub(super) fn list(&mut self, name: &str) -> Vec<String> {
        let text = self.text(name).unwrap_or_default();
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(ToOwned::to_owned).collect()
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// The mistakes noted on the way.
    pub(super) fn finish(self) -> Result<(), SettingsError> {
        if self.mistakes.is_empty() { Ok(()) } else { Err(SettingsError(self.mistakes)) }
    }
}

fn read(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > LARGEST_FILE {
        return Err(format!("has {size} bytes, more than {LARGEST_FILE}"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let value = text.trim_end_matches(['\r', '\n']);
    if value.is_empty() { Err("is empty".to_owned()) } else { Ok(value.to_owned()) }
}
