//! Deploy: start the release beside what serves, prove it, switch. Every step before the switch is taken
//! back by stopping the candidate, the switch by restoring traffic.

use crate::engine::step::{Action, Step, Subject, Undo};
use crate::environment::Environment;
use crate::observed::Observed;
use crate::plan::{Intent, Phase, PlannedPhase};
use crate::release::{Release, ReleaseId, ReleaseState};

/// Plans the phase: unchanged when the release already serves, except that stopped jobs are started and what a stuck
/// run has left is stopped.
pub fn plan(environment: &Environment, release: &Release, observed: &Observed) -> PlannedPhase {
    let phase = Phase::Deploy;
    if observed.alive() != Some(&release.id) {
        return PlannedPhase { phase, intent: Intent::Run, steps: switch(environment, release, observed) };
    }
    let stopped = environment.jobs && observed.jobs_started == Some(false);
    let leftovers = leftovers("deploy.leftovers", &release.id, observed);
    let steps: Vec<_> = stopped.then(start_jobs).into_iter().chain(leftovers).collect();
    if !steps.is_empty() {
        return PlannedPhase { phase, intent: Intent::Run, steps };
    }
    let because = format!("{} already serves", release.id);
    PlannedPhase { phase, intent: Intent::Unchanged { because }, steps: Vec::new() }
}

/// What serves now and would serve again. A release does not go back to itself: when it is the one that should
/// serve, the one before it comes back, if it is good and still there.
pub(crate) fn previous(id: &ReleaseId, observed: &Observed) -> Option<ReleaseId> {
    let platform = &observed.platform;
    let is_good = |id: &ReleaseId| observed.known(id).is_some_and(|known| known.state == ReleaseState::Good);
    match &platform.serving {
        Some(serving) if serving == id => platform
            .previous
            .clone()
            .filter(|before| before != id && is_good(before) && observed.is_present(before)),
        serving => serving.clone(),
    }
}

/// Good releases that stay on the platform, newest first: the trail, then whatever else was good. What has
/// just been replaced is among them even when it was never proved good.
pub(crate) fn kept(observed: &Observed, count: usize, also: &[ReleaseId]) -> Vec<ReleaseId> {
    let others =
        observed.releases.iter().filter(|known| known.state == ReleaseState::Good).map(|known| &known.id);
    let good = observed.trail.iter().rev().chain(others.rev()).filter(|id| observed.is_present(id));
    let mut keep = also.to_vec();
    for id in good {
        if keep.len() < count.max(also.len()) && !keep.contains(id) {
            keep.push(id.clone());
        }
    }
    keep
}

/// Cleaning after a failure: as many good releases as ever, and the one that failed for another try.
pub(crate) fn clean_up(environment: &Environment, id: &ReleaseId, observed: &Observed) -> Step {
    let also: Vec<_> = [id.clone()].into_iter().chain(observed.platform.serving.clone()).collect();
    let keep = kept(observed, environment.retention + 2, &unique(also));
    retire("rollback.retire", keep)
}

fn switch(environment: &Environment, release: &Release, observed: &Observed) -> Vec<Step> {
    let previous = previous(&release.id, observed);
    let also: Vec<_> = [release.id.clone()].into_iter().chain(previous.clone()).collect();
    let mut steps = vec![
        start("deploy.start", &release.id),
        await_ready("deploy.ready", &release.id),
        gate(environment, &release.id),
        shift("deploy.shift", &release.id, previous, false),
    ];
    // Where jobs are switched off they never run, whatever the stored flag says.
    steps.extend(environment.jobs.then(start_jobs));
    steps.extend(leftovers("deploy.leftovers", &release.id, observed));
    steps.push(retire("deploy.retire", kept(observed, environment.retention + 1, &also)));
    steps
}

/// A candidate without traffic.
pub(crate) fn start(step: &str, id: &ReleaseId) -> Step {
    let action = Action::StartRelease { release: id.clone() };
    let undo = Undo::StopRelease { release: id.clone() };
    Step::new(step, format!("start {id} without traffic"), action, undo)
}

/// The candidate says it is ready.
pub(crate) fn await_ready(step: &str, id: &ReleaseId) -> Step {
    let action = Action::AwaitReady { release: id.clone() };
    Step::look(step, format!("wait until {id} answers with its own id"), action)
}

/// The candidate gets the public address.
pub(crate) fn shift(step: &str, to: &ReleaseId, from: Option<ReleaseId>, back: bool) -> Step {
    let title = match &from {
        Some(from) => format!("give traffic to {to}, drain {from}"),
        None => format!("give traffic to {to}"),
    };
    let undo = Undo::RestoreTraffic { to: from.clone(), from: to.clone() };
    Step::new(step, title, Action::ShiftTraffic { to: to.clone(), from, back }, undo)
}

fn gate(environment: &Environment, id: &ReleaseId) -> Step {
    let suite = environment.gate_suite.clone();
    let title = format!("run suite `{suite}` on the candidate");
    let subject = Subject::Candidate { release: id.clone() };
    Step::look("deploy.gate", title, Action::RunSuite { suite, subject })
}

fn start_jobs() -> Step {
    let because = "the flag belongs to the data; every release runs the same jobs";
    Step::forward("deploy.jobs", "start the background jobs", Action::StartJobs, because)
}

/// What an earlier run could not stop. After the switch: it is in nobody's way, and stopping it may fail again.
pub(crate) fn leftovers(step: &str, wanted: &ReleaseId, observed: &Observed) -> Option<Step> {
    let releases = observed.leftovers(wanted);
    if releases.is_empty() {
        return None;
    }
    let names = releases.iter().map(ReleaseId::as_str).collect::<Vec<_>>().join(", ");
    let title = format!("stop {names}, left without traffic by an earlier run");
    Some(Step::forward(step, title, Action::StopLeftovers { releases }, "nobody uses it"))
}

fn retire(step: &str, keep: Vec<ReleaseId>) -> Step {
    let names = keep.iter().map(ReleaseId::as_str).collect::<Vec<_>>().join(", ");
    let title = format!("keep {names}, remove other releases");
    let because = "only content that nobody goes back to is removed";
    Step::forward(step, title, Action::RetireReleases { keep }, because)
}

fn unique(mut ids: Vec<ReleaseId>) -> Vec<ReleaseId> {
    let mut seen = std::collections::BTreeSet::new();
    ids.retain(|id| seen.insert(id.clone()));
    ids
}
