//! The one table of exit codes, and the error every command ends in. Prints nothing.

use std::fmt;

use phases::engine::ledger::LedgerError;

/// How a process of crmctl ends. The numbers are a contract with CI and on-call scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// A bug in crmctl.
    Bug = 1,
    /// Wrong usage: unknown flag, verb, environment or suite.
    Usage = 2,
    /// Refused before any change.
    Refused = 10,
    /// Somebody else holds the lease.
    LeaseHeld = 11,
    /// The lease was lost to a newer run.
    LeaseLost = 12,
    /// Failed, and unwound or rolled back.
    Unwound = 20,
    /// Stuck: a person is needed.
    Stuck = 21,
    /// A check failed.
    CheckFailed = 30,
    /// A check could not run.
    CheckErrored = 31,
    /// Interrupted.
    Interrupted = 50,
}

impl Exit {
    /// Every code with its sentence, as `README.md` and `crmctl --help` show it.
    pub const TABLE: [(Self, &'static str); 11] = [
        (Self::Done, "done"),
        (Self::Bug, "bug in crmctl"),
        (Self::Usage, "wrong usage: unknown flag, verb, environment or suite"),
        (Self::Refused, "refused before any change (configuration, preflight)"),
        (Self::LeaseHeld, "somebody else holds the lease"),
        (Self::LeaseLost, "the lease was lost to a newer run"),
        (Self::Unwound, "failed, and unwound or rolled back"),
        (Self::Stuck, "stuck: a person is needed"),
        (Self::CheckFailed, "a check failed"),
        (Self::CheckErrored, "a check could not run"),
        (Self::Interrupted, "interrupted (unwound, or resumable: the text says which)"),
    ];

    /// The one with this number; a number that is none is a bug.
    pub fn of(code: u8) -> Self {
        let found = Self::TABLE.iter().find(|(exit, _)| exit.code() == code);
        found.map_or(Self::Bug, |(exit, _)| *exit)
    }

    /// The number.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

/// Why a command could not do what was asked: the code, one sentence of cause, the next action.
#[derive(Debug)]
pub struct Error {
    /// How the process ends.
    pub exit: Exit,
    /// Cause with the place; may have several lines when several mistakes are reported together.
    pub message: String,
    /// Next action.
    pub hint: Option<String>,
}

impl Error {
    /// An error with a code and a cause.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None }
    }

    /// Wrong usage.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Refused before any change.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(Exit::Refused, message)
    }

    /// The same again, for an error that is kept.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self { exit: self.exit, message: self.message.clone(), hint: self.hint.clone() }
    }

    /// Adds the next action.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the next action that another error knows, if it knows one.
    #[must_use]
    pub fn maybe_hint(self, hint: Option<String>) -> Self {
        Self { hint: hint.or(self.hint), ..self }
    }
}

/// An error of the ledger as a command ends in it.
pub fn ledger_error(error: &LedgerError) -> Error {
    let exit = match error {
        LedgerError::Held(_) => Exit::LeaseHeld,
        LedgerError::Lost { .. } => Exit::LeaseLost,
        _ => Exit::Refused,
    };
    Error::new(exit, error.to_string()).maybe_hint(error.hint())
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// An error with its causes, each once: `cannot connect: connection refused`.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        cause = inner.source();
    }
    text
}

/// The best of `known` for a mistyped `word`, when one is near enough to be meant.
pub fn did_you_mean<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_word_is_meant_and_a_far_one_is_not() {
        assert_eq!(did_you_mean("lcoal", ["local", "staging"]), Some("local"));
        assert_eq!(did_you_mean("zzz", ["local", "staging"]), None);
    }

    #[test]
    fn every_code_is_in_the_table_once() {
        let mut codes: Vec<u8> = Exit::TABLE.iter().map(|(exit, _)| exit.code()).collect();
        codes.dedup();
        assert_eq!(codes, [0, 1, 2, 10, 11, 12, 20, 21, 30, 31, 50]);
    }
}
