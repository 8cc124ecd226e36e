//! What became of a check. An outcome says what was seen; what follows from it is not decided here.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};

use crate::redact::Redactor;

/// How much of a value or a reason a report quotes, in characters.
const QUOTED: usize = 300;

/// The three things that can become of a check, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The subject keeps its promise.
    Passed,
    /// The probe itself could not run, so nothing is known of the subject. Not a pass.
    Errored,
    /// The subject does not keep its promise: a wrong answer, or none.
    Failed,
}

/// Who looks after a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Owner {
    Dev,
    Qa,
    Ops,
}

/// How bad it is when a check does not pass, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Users cannot work.
    Critical,
    /// Something is broken that users notice.
    Major,
    /// Worth mending.
    Minor,
}

impl Owner {
    pub(crate) const WORDS: [(&'static str, Self); 3] =
        [("dev", Self::Dev), ("qa", Self::Qa), ("ops", Self::Ops)];

    /// The word used in files and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Qa => "qa",
            Self::Ops => "ops",
        }
    }
}

impl Severity {
    pub(crate) const WORDS: [(&'static str, Self); 3] =
        [("critical", Self::Critical), ("major", Self::Major), ("minor", Self::Minor)];

    /// The word used in files and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Major => "major",
            Self::Minor => "minor",
        }
    }
}

impl Outcome {
    /// The word used in events and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Errored => "errored",
            Self::Failed => "failed",
        }
    }
}

/// One finished check. Free of secrets.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckOutcome {
    /// `smoke/login`: suite and check.
    pub check: String,
    /// What became of it.
    pub outcome: Outcome,
    /// The first assertion that did not hold; for an errored check, what it would have needed.
    pub expected: Option<String>,
    /// What was there instead.
    pub actual: Option<String>,
    /// Who looks after it.
    pub owner: Owner,
    /// How bad it is when it does not pass.
    pub severity: Severity,
    /// When the first attempt began.
    pub started_at: DateTime<Utc>,
    /// From the first attempt to the last answer: with `until`, the time the condition took to come true.
    #[serde(rename = "duration_ms", serialize_with = "as_millis")]
    pub duration: Duration,
    /// How often it was tried.
    pub attempts: u32,
    /// Further assertions that did not hold, the body of an error, what was not asked.
    pub detail: Option<String>,
}

/// All checks of one run of a suite.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SuiteReport {
    /// The suite's name.
    pub suite: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// How long all of it took.
    #[serde(rename = "duration_ms", serialize_with = "as_millis")]
    pub duration: Duration,
    /// In the order of the file.
    pub checks: Vec<CheckOutcome>,
}

impl SuiteReport {
    /// How many checks ended as `outcome`.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> usize {
        self.checks.iter().filter(|check| check.outcome == outcome).count()
    }

    /// The worst outcome of all; `Errored` for a run without checks, since it proved nothing.
    #[must_use]
    pub fn worst(&self) -> Outcome {
        self.checks.iter().map(|check| check.outcome).max().unwrap_or(Outcome::Errored)
    }
}

/// Milliseconds with three decimals.
pub(crate) fn as_millis<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((duration.as_secs_f64() * 1e6).round() / 1e3)
}

/// Text of a report: secrets out first, then cut to a readable length (a secret that is cut is still one).
pub(crate) fn presentable(text: &str, redactor: &Redactor) -> String {
    let clean = redactor.clean(text);
    let mut characters = clean.chars();
    let beginning: String = characters.by_ref().take(QUOTED).collect();
    if characters.next().is_some() { format!("{beginning}…") } else { beginning }
}
