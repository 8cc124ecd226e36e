//! What is judged of every load, whatever an environment requires of its figures: a load that says nothing of its
//! subject, or in which nothing was answered, is no pass.

use std::time::Duration;

use super::report::LoadReport;
use crate::outcome::{CheckOutcome, Outcome, Owner, Severity};

impl LoadReport {
    /// Two lines: `perf/requests-answered` fails when no request at all was answered rightly, and
    /// `perf/load-is-valid` is errored when the generator was the bottleneck.
    ///
    /// [`super::evaluate`] puts them before the thresholds.
    #[must_use]
    pub fn verdict(&self) -> Vec<CheckOutcome> {
        let answered = if self.succeeded > 0 { Outcome::Passed } else { Outcome::Failed };
        let valid = if self.is_valid() { Outcome::Passed } else { Outcome::Errored };
        let counted = format!("{} of {}", self.succeeded, self.succeeded + self.failed);
        let causes = self.causes().map(|causes| format!(" ({causes})")).unwrap_or_default();
        vec![
            CheckOutcome {
                severity: Severity::Critical,
                ..self.line("requests-answered", answered, "right answers", counted + &causes)
            },
            self.line(
                "load-is-valid",
                valid,
                "a generator that keeps up",
                if self.is_valid() { "the generator kept up".to_owned() } else { self.invalid.join("; ") },
            ),
        ]
    }

    fn line(&self, name: &str, outcome: Outcome, expected: &str, actual: String) -> CheckOutcome {
        CheckOutcome {
            check: format!("perf/{name}"),
            outcome,
            expected: Some(expected.to_owned()),
            actual: Some(actual),
            owner: Owner::Dev,
            severity: Severity::Major,
            started_at: self.started_at,
            duration: Duration::from_secs_f64(self.duration_seconds),
            attempts: 1,
            detail: None,
        }
    }

    /// Why requests failed, and who answered when more than one release did.
    fn causes(&self) -> Option<String> {
        let failures = self.total.errors.iter().map(|(cause, count)| format!("{cause} {count}"));
        let several = self.releases.iter().filter(|_| self.releases.len() > 1);
        let answers = several.map(|(release, count)| format!("{count} answers of release `{release}`"));
        let all: Vec<String> = failures.chain(answers).collect();
        (!all.is_empty()).then(|| all.join(", "))
    }
}
