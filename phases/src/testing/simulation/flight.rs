//! Effects under way: sent by a process, accepted or refused by a target, whatever has become of the process
//! meanwhile. A target takes the effects of one process in the order in which they were sent; between processes
//! there is no order but that of tokens.

use std::time::Duration;

use futures_util::FutureExt;

use crate::engine::effects::{EffectContext, EffectOutcome, Effects};
use crate::engine::failure::{Failure, FailureClass};
use crate::engine::step::{Action, StepId, Undo};
use crate::release::ReleaseId;
use crate::testing::machine::Machine;
use crate::testing::simulation::bug::Bug;
use crate::testing::simulation::rare::Rare;
use crate::testing::simulation::stage::Stage;
use crate::testing::simulation::timeline::Pid;

/// What takes effects. Platform and database compare tokens; the other two only ever add.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    Platform,
    Database,
    Builder,
    Site,
    /// Takes records, not effects.
    Journal,
}

/// What was sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum What {
    Apply(Action),
    Undo(Undo),
    /// Goes to the platform and, where it runs, on to the database.
    Fence,
}

/// One effect under way.
#[derive(Debug)]
pub(crate) struct Flight {
    pub pid: Pid,
    pub token: u64,
    pub run: String,
    pub step: StepId,
    pub what: What,
    /// When its sender gives up.
    pub deadline: Duration,
    pub outcome: Option<EffectOutcome>,
}

impl What {
    pub(crate) const fn target(&self) -> Target {
        match self {
            Self::Apply(Action::BuildBackend { .. } | Action::BuildImage { .. }) => Target::Builder,
            Self::Apply(Action::EnsureDatabase | Action::Seed { .. } | Action::StartJobs) => Target::Site,
            Self::Apply(Action::Migrate { .. }) => Target::Database,
            Self::Apply(_) | Self::Undo(_) | Self::Fence => Target::Platform,
        }
    }

    /// How long a process waits for it, by its own clock; below the lease's safe time where a token guards it.
    pub(crate) const fn deadline(&self) -> Duration {
        Duration::from_secs(match self.target() {
            Target::Platform => 12,
            Target::Site | Target::Journal => 20,
            Target::Database => 60,
            Target::Builder => 200,
        })
    }

    /// How long it takes at most when all is well.
    pub(crate) const fn usual(&self) -> Duration {
        Duration::from_secs(match self {
            Self::Apply(Action::BuildBackend { .. } | Action::BuildImage { .. }) => 60,
            Self::Apply(Action::Migrate { .. }) => 30,
            Self::Apply(Action::AwaitReady { .. }) => 6,
            Self::Apply(Action::ShiftTraffic { .. }) | Self::Undo(_) => 3,
            Self::Apply(_) | Self::Fence => 1,
        })
    }
}

impl Stage {
    /// An effect reaches its target.
    pub(crate) fn land(&self, number: usize) {
        let (token, run, step, what, late) = {
            let state = self.state();
            let flight = &state.flights[number];
            let late = state.now() > flight.deadline || !state.processes[flight.pid].alive;
            (flight.token, flight.run.clone(), flight.step.clone(), flight.what.clone(), late)
        };
        let target = what.target();
        let fenced = target == Target::Database
            && !self.has(Bug::DatabaseIgnoresTokens)
            && token < self.state().model.highest(target);
        let outcome = if fenced { refused(token) } else { self.take(&what, token, &run, &step) };
        let runs = self.world.site().database_runs;
        let accepted = !is_refusal(&outcome) && (target != Target::Database || runs);
        let machine = self.world.platform.machine();
        let mut state = self.state();
        if late {
            state.rares.count(if accepted { Rare::LateAccepted } else { Rare::LateFenced });
        }
        state.tell(|| format!("{target:?} takes {step} of token {token} (late: {late}): {outcome:?}"));
        state.model.landed(target, token, accepted, &what, &machine);
        // A database that is down takes nothing, and whoever brings it up raises its fence.
        let raises = matches!(what, What::Fence | What::Apply(Action::EnsureDatabase));
        if accepted && raises && runs && !self.has(Bug::DatabaseNotFenced) {
            state.model.fenced(Target::Database, token);
        }
        state.flights[number].outcome = Some(outcome);
    }

    /// Lets the world change, with the bug that is planted.
    fn take(&self, what: &What, token: u64, run: &str, step: &StepId) -> EffectOutcome {
        let highest = self.world.platform.machine().token;
        let token = if self.has(Bug::PlatformIgnoresTokens) { token.max(highest) } else { token };
        let context = EffectContext { run, token, step, progress: &|_| {} };
        if token >= highest
            && let Some(outcome) =
                self.bug.and_then(|bug| spoil(bug, what, &mut self.world.platform.machine()))
        {
            return outcome;
        }
        let outcome = match what {
            What::Apply(action) => self.world.apply(action, &context).now_or_never(),
            What::Undo(undo) => self.world.undo(undo, &context).now_or_never(),
            What::Fence => self.world.fence(token).now_or_never(),
        };
        if let (Some(Bug::RetireForgetsTheWayBack), What::Apply(Action::RetireReleases { .. })) =
            (self.bug, what)
        {
            let mut machine = self.world.platform.machine();
            let gone = machine.previous.clone();
            machine.present.retain(|id| Some(id) != gone.as_ref());
        }
        outcome.expect("a world in memory answers at once")
    }
}

/// Does what a bug would have done instead.
fn spoil(bug: Bug, what: &What, machine: &mut Machine) -> Option<EffectOutcome> {
    let done = || Some(EffectOutcome::Done(crate::engine::effects::Evidence::default()));
    match (bug, what) {
        (Bug::UndoToggles, What::Undo(Undo::RestoreTraffic { to: Some(to), from }))
            if machine.answers() == Some(to) && machine.present.contains(from) =>
        {
            machine.restore(Some(from), to);
            done()
        }
        (Bug::UndoIntolerant, What::Undo(undo)) if !stands(undo, machine) => {
            Some(EffectOutcome::NotDone(Failure::new(FailureClass::Failed, "there is nothing to take back")))
        }
        (Bug::TwoServe, What::Apply(Action::ShiftTraffic { to, .. })) if machine.runs(to) => {
            let old = machine.answers().cloned().filter(|old| old != to);
            machine.shift(to);
            let both = |id: &ReleaseId| Some(id) == old.as_ref();
            let replaced = machine.instances.iter_mut().filter(|(id, _)| both(id));
            replaced.for_each(|(_, role)| *role = crate::engine::platform::Role::Serving);
            done()
        }
        (Bug::StartNotIdempotent, What::Apply(Action::StartRelease { release })) if machine.runs(release) => {
            machine.instances.push((release.clone(), crate::engine::platform::Role::Candidate));
            done()
        }
        (Bug::StartTakesTraffic, What::Apply(Action::StartRelease { release })) => {
            machine.start(release).then(|| machine.shift(release)).and_then(|_| done())
        }
        _ => None,
    }
}

/// What an undo would take back is there.
fn stands(undo: &Undo, machine: &Machine) -> bool {
    match undo {
        Undo::StopRelease { release } => machine.runs(release),
        Undo::RestoreTraffic { from, .. } => machine.answers() == Some(from),
        Undo::Nothing | Undo::ForwardOnly { .. } => false,
    }
}

fn refused(token: u64) -> EffectOutcome {
    let message = format!("token {token} is older than one that was here");
    EffectOutcome::NotDone(Failure::new(FailureClass::LeaseLost, message))
}

fn is_refusal(outcome: &EffectOutcome) -> bool {
    matches!(outcome, EffectOutcome::NotDone(failure) if failure.class == FailureClass::LeaseLost)
}
