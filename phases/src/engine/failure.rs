//! Why an effect did not do what was asked, in the terms that decide how a run ends.

use serde::{Deserialize, Serialize};

/// Outcome of one check as evidence of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckEvidence {
    /// `suite/name`.
    pub check: String,
    /// `passed`, `failed` or `errored`.
    pub outcome: CheckOutcome,
    /// What was expected.
    pub expected: Option<String>,
    /// What was seen.
    pub actual: Option<String>,
    /// Who looks after it: dev, qa, ops.
    pub owner: Option<String>,
    /// What to do when it is not passed.
    pub hint: Option<String>,
    /// Milliseconds it took.
    pub duration_ms: f64,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckOutcome {
    /// As expected.
    Passed,
    /// Not as expected.
    Failed,
    /// The probe itself could not run.
    Errored,
}

/// What kind of no it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// The world is not fit; nothing was changed by this step.
    Refused,
    /// A check failed: the release is at fault.
    CheckFailed,
    /// A check could not run: nobody's fault is proved.
    CheckErrored,
    /// The effect failed.
    Failed,
    /// The release itself did not come up (exited, never ready).
    ReleaseFailed,
    /// A newer run owns the target.
    LeaseLost,
}

/// A failed effect, told for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind.
    pub class: FailureClass,
    /// One sentence of cause with the place.
    pub message: String,
    /// Next action.
    pub hint: Option<String>,
    /// Last log lines or other detail, newest last.
    pub detail: Vec<String>,
    /// Checks that were run, failed ones included.
    pub checks: Vec<CheckEvidence>,
}

impl Failure {
    /// A failure with class and message only.
    pub fn new(class: FailureClass, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), hint: None, detail: Vec::new(), checks: Vec::new() }
    }

    /// Adds the next action.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds detail lines.
    #[must_use]
    pub fn detail(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.detail.extend(lines);
        self
    }

    /// Adds the checks that were run.
    #[must_use]
    pub fn checks(mut self, checks: Vec<CheckEvidence>) -> Self {
        self.checks = checks;
        self
    }
}
