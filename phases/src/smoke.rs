//! Smoke: check the public address as users reach it. Only looks, and always runs.

use crate::engine::step::{Action, Step, Subject};
use crate::environment::Environment;
use crate::plan::{Intent, Phase, PlannedPhase};
use crate::release::ReleaseId;

/// Plans the phase against the release that is expected to answer.
pub fn plan(environment: &Environment, release: &ReleaseId) -> PlannedPhase {
    let steps = vec![step("smoke.run", environment, release)];
    PlannedPhase { phase: Phase::Smoke, intent: Intent::Run, steps }
}

/// The suite run once, under a step name of the caller's phase.
pub(crate) fn step(id: &str, environment: &Environment, release: &ReleaseId) -> Step {
    let suite = environment.smoke_suite.clone();
    let title = format!("run suite `{suite}` on {}, expecting {release}", environment.public_url);
    let subject = Subject::Public { release: Some(release.clone()) };
    Step::look(id, title, Action::RunSuite { suite, subject })
}
