//! A check as reports show it: what was expected beside what was seen.

use phases::engine::failure::{CheckEvidence, CheckOutcome};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheckView {
    /// `suite/name`.
    pub check: String,
    /// `passed failed errored`.
    #[schemars(with = "String")]
    pub outcome: CheckOutcome,
    /// What was expected.
    pub expected: Option<String>,
    /// What was seen.
    pub actual: Option<String>,
    /// dev, qa or ops.
    pub owner: Option<String>,
    /// Next action.
    pub hint: Option<String>,
    /// Milliseconds it took.
    pub duration_ms: f64,
}

impl CheckView {
    /// Passed, with a hint: worth knowing.
    pub fn is_warning(&self) -> bool {
        self.outcome == CheckOutcome::Passed && self.hint.is_some()
    }

    /// Failed, or could not run.
    pub fn is_unmet(&self) -> bool {
        self.outcome != CheckOutcome::Passed
    }

    /// What was expected; of a check that passed without saying so, nothing.
    pub fn expected(&self) -> &str {
        self.expected.as_deref().unwrap_or("")
    }

    /// What was seen; of a check that passed without a word, how long it took.
    pub fn actual(&self) -> String {
        match self.actual.as_deref() {
            None | Some("") if self.is_unmet() => "nothing".to_owned(),
            None | Some("") => format!("{:.0} ms", self.duration_ms),
            Some(actual) => actual.to_owned(),
        }
    }
}

impl From<&CheckEvidence> for CheckView {
    fn from(check: &CheckEvidence) -> Self {
        let CheckEvidence { check, outcome, expected, actual, owner, hint, duration_ms } = check.clone();
        let duration_ms = (duration_ms * 1e3).round() / 1e3;
        Self { check, outcome, expected, actual, owner, hint, duration_ms }
    }
}

impl From<&CheckView> for CheckEvidence {
    fn from(check: &CheckView) -> Self {
        let CheckView { check, outcome, expected, actual, owner, hint, duration_ms } = check.clone();
        Self { check, outcome, expected, actual, owner, hint, duration_ms }
    }
}
