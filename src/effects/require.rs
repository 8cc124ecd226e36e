//! `Require`: one requirement of preflight, as a table of lines.

use phases::engine::effects::{EffectContext, EffectOutcome, Evidence, Progress};
use phases::engine::failure::{CheckEvidence, CheckOutcome, Failure, FailureClass};
use phases::engine::step::Requirement;

use crate::requirements;
use crate::site::Site;

/// Asks it. What is not met refuses the run before any change.
pub(super) async fn apply(
    site: &Site,
    requirement: Requirement,
    context: &EffectContext<'_>,
) -> EffectOutcome {
    let source = match site.source() {
        Ok(source) => source,
        Err(error) => return EffectOutcome::NotDone(super::refusal(error)),
    };
    let lines = requirements::ask(site, source, requirement).await;
    for line in &lines {
        (context.progress)(Progress::Check(line.clone()));
    }
    match lines.iter().find(|line| line.outcome != CheckOutcome::Passed) {
        Some(unmet) => EffectOutcome::NotDone(refusal(unmet).checks(lines.clone())),
        None => {
            EffectOutcome::Done(Evidence { summary: summary(&lines), checks: lines, ..Evidence::default() })
        }
    }
}

fn refusal(unmet: &CheckEvidence) -> Failure {
    let expected = unmet.expected.as_deref().unwrap_or("more");
    let actual = unmet.actual.as_deref().unwrap_or("nothing");
    let failure =
        Failure::new(FailureClass::Refused, format!("`{}`: expected {expected}, got {actual}", unmet.check));
    match &unmet.hint {
        Some(hint) => failure.hint(hint.clone()),
        None => failure,
    }
}

fn summary(lines: &[CheckEvidence]) -> String {
    lines.iter().filter_map(|line| line.actual.clone()).collect::<Vec<_>>().join(" · ")
}
