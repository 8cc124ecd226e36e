//! The way back: what stands is undone in reverse order, then the earlier release is checked and leftovers
//! are cleaned. Stops at the first undo that fails: whichever side serves goes on serving.

use std::time::Duration;

use serde_json::{Value, json};
use tracing::{Instrument, info_span};

use crate::engine::effects::{EffectContext, EffectOutcome, Evidence};
use crate::engine::event::{Event, StepStatus};
use crate::engine::failure::{Failure, FailureClass};
use crate::engine::journal::Kind;
use crate::engine::report::StepReport;
use crate::engine::resume::StepState;
use crate::engine::run::active::{Active, Halt};
use crate::engine::step::Step;
use crate::plan::Plan;

/// How often, and how far apart, something is taken back while no answer comes.
const UNDO_TRIES: u32 = 3;
const UNDO_PAUSE: Duration = Duration::from_secs(2);

/// Taking back failed.
pub(super) struct Stuck(pub(super) Failure);

impl Active<'_> {
    /// Takes back whatever stands.
    pub(super) async fn unwind(&mut self, plan: &Plan) -> Result<Result<(), Stuck>, Halt> {
        for step in plan.steps().rev() {
            if !step.undo.acts() || !self.progress.state(&step.id.0).stands() {
                continue;
            }
            self.renew().await?;
            let span = info_span!("undo", step = %step.id);
            if let Err(stuck) = self.undo(step).instrument(span).await? {
                return Ok(Err(stuck));
            }
        }
        Ok(Ok(()))
    }

    async fn undo(&mut self, step: &Step) -> Result<Result<(), Stuck>, Halt> {
        let (began, id) = (self.engine.clock.elapsed(), step.id.0.as_str());
        self.tell(Event::StepStarted { step: id.to_owned(), title: step.undo.to_string(), undo: true });
        let desired = serde_json::to_value(&step.undo).expect("plain data always has JSON");
        self.record(Kind::UndoIntent, Some(id), [Value::Null, desired, Value::Null]).await?;
        let failure = match self.take_back_surely(step).await? {
            EffectOutcome::Done(evidence) => {
                self.undone(id, &evidence).await?;
                self.undo_report(step, began, evidence.summary, None);
                return Ok(Ok(()));
            }
            EffectOutcome::NotDone(failure) | EffectOutcome::Unknown(failure) => failure,
        };
        if failure.class == FailureClass::LeaseLost {
            return Err(Halt::Lost(failure));
        }
        let evidence = json!({"failure": failure});
        self.record(Kind::UndoFailed, Some(id), [Value::Null, Value::Null, evidence]).await?;
        self.undo_report(step, began, failure.message.clone(), Some(failure.clone()));
        Ok(Err(Stuck(failure)))
    }

    /// Takes it back, more than once while no answer comes: an undo may be done again. A look would prove less, since
    /// an effect whose own answer got lost may still be on its way; an undo that answers came after it.
    async fn take_back_surely(&mut self, step: &Step) -> Result<EffectOutcome, Halt> {
        for _ in 1..UNDO_TRIES {
            match self.take_back(step).await? {
                EffectOutcome::Unknown(failure) if failure.class != FailureClass::LeaseLost => {}
                answer => return Ok(answer),
            }
            let clock = self.engine.clock;
            self.guard(clock.sleep(UNDO_PAUSE), false).await?;
        }
        self.take_back(step).await
    }

    async fn take_back(&mut self, step: &Step) -> Result<EffectOutcome, Halt> {
        self.steady().await?;
        let (engine, lease) = (self.engine, self.lease);
        let (run, tell) = (self.progress.run.clone(), self.teller(&step.id.0));
        let context = EffectContext { run: &run, token: lease.token, step: &step.id, progress: &tell };
        self.guard(engine.effects.undo(&step.undo, &context), false).await
    }

    async fn undone(&mut self, id: &str, evidence: &Evidence) -> Result<(), Halt> {
        let evidence = serde_json::to_value(evidence).expect("plain data always has JSON");
        self.record(Kind::UndoDone, Some(id), [Value::Null, Value::Null, evidence]).await
    }

    fn undo_report(&mut self, step: &Step, began: Duration, summary: String, failure: Option<Failure>) {
        let status = if failure.is_none() { StepStatus::Undone } else { StepStatus::UndoFailed };
        let seconds = self.seconds_since(began);
        let report = StepReport { step: step.id.0.clone(), status, summary, seconds, failure };
        self.tell_finished(&report);
        self.recovery.push(report);
    }

    /// Checks the earlier release when it has traffic again. Gives the class of failure when it is not well.
    pub(super) async fn prove_recovery(&mut self, plan: &Plan) -> Result<Option<FailureClass>, Halt> {
        let Some(step) = &plan.recovery.smoke else { return Ok(None) };
        if self.progress.traffic_restored {
            self.recover(step).await?;
        }
        Ok(self.progress.reported(&step.id.0).map(|failure| failure.class))
    }

    /// Cleans; what goes wrong here is told and changes nothing about the ending.
    pub(super) async fn clean(&mut self, plan: &Plan) -> Result<(), Halt> {
        match &plan.recovery.retire {
            Some(step) if self.progress.touched() => self.recover(step).await,
            _ => Ok(()),
        }
    }

    async fn recover(&mut self, step: &Step) -> Result<(), Halt> {
        if !matches!(self.progress.state(&step.id.0), StepState::Untouched | StepState::InDoubt) {
            return Ok(());
        }
        self.renew().await?;
        let (report, outcome) = self.timed(step).await;
        self.recovery.push(report);
        match outcome {
            Ok(()) | Err(Halt::Failed) => Ok(()),
            Err(halt) => Err(halt),
        }
    }
}
