//! Perf: measure the release under load and judge it by thresholds. Only looks.

use crate::engine::step::{Action, Step, Subject};
use crate::environment::{Environment, PerfFacts};
use crate::observed::Observed;
use crate::plan::{Intent, Phase, PlannedPhase};
use crate::release::ReleaseId;

/// Plans the phase as part of a pipeline: a verdict on the same release and the same question is reused.
pub fn plan(environment: &Environment, release: &ReleaseId, observed: &Observed) -> PlannedPhase {
    let asked = asked(&environment.perf);
    match &observed.perf {
        Some(verdict) if &verdict.release == release && verdict.asked == asked => {
            let because = format!("run `{}` measured this release with the same load", verdict.run);
            PlannedPhase { phase: Phase::Perf, intent: Intent::Unchanged { because }, steps: Vec::new() }
        }
        _ => measure(environment, release),
    }
}

/// Plans the phase so that it measures again, whatever is known.
pub fn measure(environment: &Environment, release: &ReleaseId) -> PlannedPhase {
    let PerfFacts { suite, rate, duration_seconds, require, files } = environment.perf.clone();
    let title = format!("{rate} requests/s of suite `{suite}` for {duration_seconds} s on {release}");
    let subject = Subject::Public { release: Some(release.clone()) };
    let action = Action::RunLoad { suite, rate, duration_seconds, require, files, subject };
    PlannedPhase {
        phase: Phase::Perf,
        intent: Intent::Run,
        steps: vec![Step::look("perf.load", title, action)],
    }
}

/// The question as canonical JSON; two verdicts compare only when it is equal.
pub fn asked(perf: &PerfFacts) -> String {
    serde_json::to_string(perf).expect("plain data always has JSON")
}
