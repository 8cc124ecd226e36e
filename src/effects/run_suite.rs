//! `RunSuite`: a suite of checks against the candidate's private socket or the public address.

use checks::{CheckOutcome as Checked, Outcome, Subject as Probed};
use phases::engine::effects::{EffectContext, EffectOutcome, Evidence, Progress};
use phases::engine::failure::{CheckEvidence, CheckOutcome, Failure, FailureClass};
use phases::engine::step::Subject;
use phases::release::ReleaseId;

use super::stays_up;
use crate::site::Site;

/// Runs it; a failed check is the release's fault, an errored one nobody's.
pub(super) async fn apply(
    site: &Site,
    name: &str,
    subject: &Subject,
    context: &EffectContext<'_>,
) -> EffectOutcome {
    let suite = match site.suite(name) {
        Ok(suite) => suite,
        Err(error) => return EffectOutcome::NotDone(Failure::new(FailureClass::Refused, error.to_string())),
    };
    let probed = match probed(site, subject).await {
        Ok(probed) => probed,
        Err(failure) => return EffectOutcome::NotDone(failure),
    };
    let variables = site.variables(release(subject));
    let tell = |check: &Checked| (context.progress)(Progress::Check(evidence(check)));
    let report = checks::run_suite(&suite, &probed, &variables, &tell).await;
    let mut checks: Vec<CheckEvidence> = report.checks.iter().map(evidence).collect();
    let last_words = match subject {
        Subject::Public { release: Some(release) } => {
            let seen = stays_up::look(site, name, release, context.run).await;
            (context.progress)(Progress::Check(seen.check.clone()));
            // First: what died is why other checks failed.
            checks.insert(0, seen.check);
            seen.last_words
        }
        // A candidate that dies answers nothing more.
        _ => Vec::new(),
    };
    explained(site, judge(name, checks), last_words)
}

/// A suite that could not run because of what the operator gave says so: the mistake is in his file, and every
/// password in it is unknown then.
fn explained(site: &Site, outcome: EffectOutcome, last_words: Vec<String>) -> EffectOutcome {
    let EffectOutcome::NotDone(mut failure) = outcome else { return outcome };
    failure.detail.extend(last_words);
    if let Err(mistakes) = site.environment.require_secrets() {
        failure.message = format!("{}; {}", failure.message, mistakes.message);
        failure.hint = failure.hint.or(mistakes.hint);
    }
    EffectOutcome::NotDone(failure)
}

/// What the suite is aimed at.
pub(super) async fn probed(site: &Site, subject: &Subject) -> Result<Probed, Failure> {
    let address = url::Url::parse(&site.environment.facts.public_url)
        .map_err(|error| Failure::new(FailureClass::Refused, format!("`[backend] url`: {error}")))?;
    Ok(match subject {
        Subject::Public { .. } => site.platform.public(address),
        Subject::Candidate { release } => match site.platform.candidate(release, address).await {
            Ok(Some(candidate)) => candidate,
            Err(error) => return Err(Failure::new(FailureClass::Failed, error.to_string())),
            Ok(None) => {
                let message = format!("release `{release}` does not run as a candidate");
                return Err(Failure::new(FailureClass::ReleaseFailed, message));
            }
        },
    })
}

/// The release that has to answer.
pub(super) fn release(subject: &Subject) -> Option<&ReleaseId> {
    match subject {
        Subject::Candidate { release } => Some(release),
        Subject::Public { release } => release.as_ref(),
    }
}

/// An outcome of a check as evidence of a step.
pub fn evidence(check: &Checked) -> CheckEvidence {
    CheckEvidence {
        check: check.check.clone(),
        outcome: match check.outcome {
            Outcome::Passed => CheckOutcome::Passed,
            Outcome::Failed => CheckOutcome::Failed,
            Outcome::Errored => CheckOutcome::Errored,
        },
        expected: check.expected.clone(),
        actual: check.actual.clone(),
        owner: Some(check.owner.as_str().to_owned()),
        hint: None,
        duration_ms: check.duration.as_secs_f64() * 1e3,
    }
}

/// The outcome of a step that ran checks.
pub(super) fn judge(name: &str, checks: Vec<CheckEvidence>) -> EffectOutcome {
    let of =
        |outcome: CheckOutcome| checks.iter().filter(|check| check.outcome == outcome).collect::<Vec<_>>();
    let (failed, errored) = (of(CheckOutcome::Failed), of(CheckOutcome::Errored));
    let summary = format!("{} of {} passed", checks.len() - failed.len() - errored.len(), checks.len());
    let (class, worst) = match (failed.first(), errored.first()) {
        (Some(check), _) => (FailureClass::CheckFailed, *check),
        (None, Some(check)) => (FailureClass::CheckErrored, *check),
        (None, None) => {
            let facts = serde_json::json!({ "passed": checks.len() });
            return EffectOutcome::Done(Evidence { summary, facts, checks });
        }
    };
    let message = format!(
        "`{}`: expected {}, got {} ({summary} in suite `{name}`)",
        worst.check,
        worst.expected.as_deref().unwrap_or("an answer"),
        worst.actual.as_deref().unwrap_or("nothing"),
    );
    EffectOutcome::NotDone(Failure::new(class, message).checks(checks))
}
