//! The way forward: phases and steps in order. Each step: already so? done : intent, effect, probe, done.

use std::time::Duration;

use serde_json::{Value, json};
use tracing::{Instrument, info_span};

use crate::engine::effects::{EffectContext, EffectOutcome, Evidence, Probe};
use crate::engine::event::{Event, PhaseStatus, StepStatus};
use crate::engine::failure::{Failure, FailureClass};
use crate::engine::journal::Kind;
use crate::engine::report::{PhaseReport, StepReport};
use crate::engine::resume::StepState;
use crate::engine::run::active::{Active, Halt};
use crate::engine::step::{Action, Step};
use crate::plan::{Intent, Phase, Plan, PlannedPhase};

/// How often, and how far apart, a probe is asked that cannot tell.
const PROBE_TRIES: u32 = 3;
const PROBE_PAUSE: Duration = Duration::from_secs(1);

/// What became of a step, once it is written down.
pub(super) enum StepEnd {
    Done(Evidence),
    Unchanged(Evidence),
    Failed(Failure),
}

impl Active<'_> {
    pub(super) async fn forward(&mut self, plan: &Plan) -> Result<(), Halt> {
        for planned in &plan.phases {
            self.phase(planned).await?;
        }
        Ok(())
    }

    async fn phase(&mut self, planned: &PlannedPhase) -> Result<(), Halt> {
        let (phase, began) = (planned.phase, self.engine.clock.elapsed());
        let left_out = match planned.intent {
            Intent::NotRun => Some(PhaseStatus::NotRun),
            Intent::Skipped { .. } => Some(PhaseStatus::Skipped),
            Intent::Run | Intent::Unchanged { .. } => None,
        };
        if let Some(status) = left_out {
            self.phases.push(PhaseReport { phase, status, seconds: 0.0, steps: Vec::new() });
            return Ok(());
        }
        self.tell(Event::PhaseStarted { phase });
        self.phases.push(PhaseReport { phase, status: PhaseStatus::Failed, seconds: 0.0, steps: Vec::new() });
        let outcome = self.steps(planned).instrument(info_span!("phase", %phase)).await;
        let seconds = self.seconds_since(began);
        let report = self.phases.last_mut().expect("it was pushed above");
        report.seconds = seconds;
        let steps = std::mem::take(&mut report.steps);
        let failed =
            |step: &StepReport| step.status == StepStatus::Failed && !self.progress.is_aside(&step.step);
        let went_through = outcome.is_ok() && !steps.iter().any(failed);
        // Stopped before its first step: nothing of it was run.
        let untouched = outcome.is_err() && steps.is_empty();
        let status = if untouched { PhaseStatus::NotRun } else { status(planned, went_through) };
        let report = self.phases.last_mut().expect("it was pushed above");
        (report.status, report.steps) = (status, steps);
        self.tell(Event::PhaseFinished { phase, status, seconds });
        outcome
    }

    /// Preflight asks everything before it refuses; every other phase stops at the first failure.
    async fn steps(&mut self, planned: &PlannedPhase) -> Result<(), Halt> {
        let mut refused = false;
        for step in &planned.steps {
            match self.step(step).await {
                Err(Halt::Failed) if self.was_ended() => return Err(Halt::Interrupted),
                Err(Halt::Failed) if planned.phase == Phase::Preflight => refused = true,
                Err(Halt::Failed) if self.progress.only_reports(&step.id.0) => {}
                Err(Halt::Interrupted) if self.went_back_already(step) => self.unproved(step).await?,
                other => other?,
            }
        }
        if refused { Err(Halt::Failed) } else { Ok(()) }
    }

    async fn step(&mut self, step: &Step) -> Result<(), Halt> {
        let state = self.progress.state(&step.id.0);
        let told = state.is_told() && self.progress.only_reports(&step.id.0);
        if told || state.is_over() && !self.lapsed(step).await? {
            let report = self.remembered(step);
            self.phases.last_mut().expect("a phase is under way").steps.push(report);
            return Ok(());
        }
        self.safe_point().await?;
        let (report, outcome) = self.timed(step).await;
        self.phases.last_mut().expect("a phase is under way").steps.push(report);
        outcome
    }

    /// A step of an adopted run was done, and is so no more: the machine was switched off since, or somebody
    /// stopped what it had started. What only waited for such a step waits again.
    async fn lapsed(&mut self, step: &Step) -> Result<bool, Halt> {
        if self.progress.attempt == 1 {
            return Ok(false);
        }
        if step.action.can_lapse() && matches!(self.probe(step).await?, Probe::NotDone) {
            self.lapsed = true;
            return Ok(true);
        }
        Ok(self.lapsed && matches!(step.action, Action::AwaitReady { .. }))
    }

    /// Runs a step and tells of it.
    pub(super) async fn timed(&mut self, step: &Step) -> (StepReport, Result<(), Halt>) {
        let began = self.engine.clock.elapsed();
        let id = step.id.0.clone();
        self.tell(Event::StepStarted { step: id, title: step.title.clone(), undo: false });
        let end = if step.action.is_observation() { self.observe(step).await } else { self.act(step).await };
        let (status, summary, failure, outcome) = match end {
            Ok(StepEnd::Done(evidence)) => (StepStatus::Done, evidence.summary, None, Ok(())),
            Ok(StepEnd::Unchanged(evidence)) => (StepStatus::Unchanged, evidence.summary, None, Ok(())),
            Ok(StepEnd::Failed(failure)) => {
                (StepStatus::Failed, failure.message.clone(), Some(failure), Err(Halt::Failed))
            }
            Err(halt) => (StepStatus::Failed, halt.to_string(), None, Err(halt)),
        };
        let seconds = self.seconds_since(began);
        let report = StepReport { step: step.id.0.clone(), status, summary, seconds, failure };
        self.tell_finished(&report);
        (report, outcome)
    }

    /// A step that only looks leaves no intent: there is nothing to be in doubt about.
    async fn observe(&mut self, step: &Step) -> Result<StepEnd, Halt> {
        match self.apply(step).await? {
            EffectOutcome::Done(evidence) => {
                self.done(step, &evidence).await?;
                Ok(StepEnd::Done(evidence))
            }
            EffectOutcome::NotDone(failure) | EffectOutcome::Unknown(failure) => {
                self.failed(step, failure, false).await
            }
        }
    }

    async fn act(&mut self, step: &Step) -> Result<StepEnd, Halt> {
        let begun = self.progress.state(&step.id.0) == StepState::InDoubt;
        match self.probe(step).await? {
            Probe::Done(evidence) => {
                self.done(step, &evidence).await?;
                return Ok(if begun { StepEnd::Done(evidence) } else { StepEnd::Unchanged(evidence) });
            }
            Probe::Unknown(failure) => return self.failed(step, failure, begun).await,
            Probe::NotDone => {}
        }
        let desired = serde_json::to_value(&step.action).expect("plain data always has JSON");
        self.record(Kind::Intent, Some(&step.id.0), [Value::Null, desired, Value::Null]).await?;
        match self.apply(step).await? {
            EffectOutcome::Done(evidence) => self.confirm(step, evidence).await,
            EffectOutcome::NotDone(failure) => self.failed(step, failure, false).await,
            EffectOutcome::Unknown(failure) => self.settle(step, failure).await,
        }
    }

    /// An effect says it happened: look whether it did.
    async fn confirm(&mut self, step: &Step, evidence: Evidence) -> Result<StepEnd, Halt> {
        match self.probe(step).await? {
            Probe::Done(_) => {
                self.done(step, &evidence).await?;
                Ok(StepEnd::Done(evidence))
            }
            Probe::NotDone => {
                let message = format!("`{}` was said to be done, and is not", step.id);
                self.failed(step, Failure::new(FailureClass::Failed, message), true).await
            }
            Probe::Unknown(failure) => self.failed(step, failure, true).await,
        }
    }

    /// An effect cannot tell whether it happened: only looking is allowed now.
    async fn settle(&mut self, step: &Step, failure: Failure) -> Result<StepEnd, Halt> {
        if failure.class == FailureClass::LeaseLost {
            return Err(Halt::Lost(failure));
        }
        match self.probe(step).await? {
            Probe::Done(evidence) => {
                self.done(step, &evidence).await?;
                Ok(StepEnd::Done(evidence))
            }
            Probe::NotDone => self.failed(step, failure, false).await,
            Probe::Unknown(_) => self.failed(step, failure, true).await,
        }
    }

    async fn apply(&mut self, step: &Step) -> Result<EffectOutcome, Halt> {
        self.steady().await?;
        let (engine, lease) = (self.engine, self.lease);
        let (run, tell) = (self.progress.run.clone(), self.teller(&step.id.0));
        let context = EffectContext { run: &run, token: lease.token, step: &step.id, progress: &tell };
        let droppable = step.action.is_droppable() && !self.progress.must_unwind();
        self.guard(engine.effects.apply(&step.action, &context), droppable).await
    }

    async fn probe(&mut self, step: &Step) -> Result<Probe, Halt> {
        let engine = self.engine;
        let mut answer = self.guard(engine.effects.probe(&step.action), false).await?;
        for _ in 1..PROBE_TRIES {
            if !matches!(answer, Probe::Unknown(_)) {
                break;
            }
            engine.clock.sleep(PROBE_PAUSE).await;
            answer = self.guard(engine.effects.probe(&step.action), false).await?;
        }
        Ok(answer)
    }

    async fn done(&mut self, step: &Step, evidence: &Evidence) -> Result<(), Halt> {
        let evidence = serde_json::to_value(evidence).expect("plain data always has JSON");
        self.record(Kind::Done, Some(&step.id.0), [Value::Null, Value::Null, evidence]).await
    }

    async fn failed(&mut self, step: &Step, failure: Failure, in_doubt: bool) -> Result<StepEnd, Halt> {
        if failure.class == FailureClass::LeaseLost {
            return Err(Halt::Lost(failure));
        }
        let evidence = json!({"failure": failure, "in_doubt": in_doubt});
        self.record(Kind::Failed, Some(&step.id.0), [Value::Null, Value::Null, evidence]).await?;
        Ok(StepEnd::Failed(failure))
    }

    /// The operator asked to stop, and that is why the step failed: its program was ended.
    fn was_ended(&self) -> bool {
        let asked = self.engine.cancel.requested();
        asked && self.progress.fatal().is_some_and(|failed| failed.failure.class == FailureClass::Failed)
    }

    /// Going back is done and only its proof is left: stopping now must not undo it.
    fn went_back_already(&self, step: &Step) -> bool {
        self.plan.goes_back() && self.progress.only_reports(&step.id.0) && self.progress.changed()
    }

    async fn unproved(&mut self, step: &Step) -> Result<(), Halt> {
        let message = format!("`{}` was interrupted", step.id);
        self.failed(step, Failure::new(FailureClass::CheckErrored, message), false).await.map(|_| ())
    }

    pub(super) fn seconds_since(&self, began: Duration) -> f64 {
        self.engine.clock.elapsed().saturating_sub(began).as_secs_f64()
    }

    pub(super) fn tell_finished(&self, report: &StepReport) {
        let StepReport { step, status, summary, seconds, failure } = report.clone();
        self.tell(Event::StepFinished { step, status, summary, seconds, failure });
    }
}

impl std::fmt::Display for Halt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Failed => f.write_str("failed"),
            Self::Interrupted => f.write_str("interrupted"),
            Self::TakenBack => f.write_str("taken back"),
            Self::Lost(failure)
            | Self::Unwritable(failure)
            | Self::Unfenced(failure)
            | Self::Refused(failure) => f.write_str(&failure.message),
        }
    }
}

fn status(planned: &PlannedPhase, went_through: bool) -> PhaseStatus {
    match planned.intent {
        _ if !went_through => PhaseStatus::Failed,
        Intent::Unchanged { .. } => PhaseStatus::Unchanged,
        _ => PhaseStatus::Done,
    }
}
