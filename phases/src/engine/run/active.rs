//! A run under way: its journal, its lease and the news it sends. Decides nothing about steps.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::SecondsFormat;
use futures_util::future::{Either, pending, select};
use serde_json::{Value, json};

use crate::engine::effects::Progress as News;
use crate::engine::event::Event;
use crate::engine::failure::{Failure, FailureClass};
use crate::engine::journal::{Draft, Kind};
use crate::engine::ledger::{Lease, LedgerError};
use crate::engine::report::{PhaseReport, StepReport};
use crate::engine::resume::{Progress, ReplayError};
use crate::engine::run::Engine;
use crate::plan::Plan;

/// How often the lease is renewed while an effect runs.
const RENEW_EVERY: Duration = Duration::from_secs(10);

/// No step starts, and no effect goes on, when the lease was last renewed longer ago than this.
const SAFE_FOR: Duration = Duration::from_secs(15);

/// How soon a renewal that failed is tried again.
const RENEW_AGAIN: Duration = Duration::from_secs(1);

/// Why the loop does not go on.
#[derive(Debug)]
pub(super) enum Halt {
    /// A step failed; the journal says which.
    Failed,
    /// The operator asked to stop.
    Interrupted,
    /// Another operator takes the run back.
    TakenBack,
    /// A newer run owns the environment: not one more effect, not one more record.
    Lost(Failure),
    /// Nothing can be written down, so nothing may be done.
    Unwritable(Failure),
    /// A target does not say that the operator before can do nothing any more.
    Unfenced(Failure),
    /// The run may not begin.
    Refused(Failure),
}

impl From<LedgerError> for Halt {
    fn from(error: LedgerError) -> Self {
        let (message, hint) = (error.to_string(), error.hint());
        let failure = |class| Failure { hint, ..Failure::new(class, message) };
        match error {
            LedgerError::Lost { .. } | LedgerError::Held(_) => Self::Lost(failure(FailureClass::LeaseLost)),
            _ => Self::Unwritable(failure(FailureClass::Failed)),
        }
    }
}

impl From<ReplayError> for Halt {
    fn from(error: ReplayError) -> Self {
        Self::Unwritable(Failure::new(FailureClass::Failed, error.to_string()))
    }
}

/// A run under way.
pub(super) struct Active<'a> {
    pub(super) engine: Engine<'a>,
    pub(super) lease: &'a Lease,
    pub(super) plan: Arc<Plan>,
    pub(super) progress: Progress,
    pub(super) phases: Vec<PhaseReport>,
    pub(super) recovery: Vec<StepReport>,
    /// Something that an adopted run had done is so no more.
    pub(super) lapsed: bool,
    /// When the last renewal that succeeded was asked for; the server cannot have extended it earlier.
    renewed: Option<Duration>,
    /// A first record was asked for.
    pub(super) pinning: bool,
}

impl<'a> Active<'a> {
    pub(super) fn new(engine: Engine<'a>, lease: &'a Lease, progress: Progress) -> Self {
        let plan = Arc::new(progress.plan.clone());
        Self {
            engine,
            lease,
            plan,
            progress,
            phases: Vec::new(),
            recovery: Vec::new(),
            lapsed: false,
            renewed: None,
            pinning: false,
        }
    }

    /// Writes the plan down: from here on any operator can go on with the run.
    pub(super) async fn pin_plan(&mut self) -> Result<(), Halt> {
        let desired = serde_json::to_value(&*self.plan).expect("plain data always has JSON");
        self.record(Kind::Plan, None, [Value::Null, desired, Value::Null]).await?;
        self.tell(Event::PlanReady { plan: Box::new((*self.plan).clone()) });
        Ok(())
    }

    /// Writes down that this operator has the run now, and what is to become of it.
    pub(super) async fn adopt(&mut self, how: &str) -> Result<(), Halt> {
        self.record(Kind::Adopt, None, [Value::Null, json!({"do": how}), Value::Null]).await
    }

    /// Appends a record and takes it in. The order of the three values: observed, desired, evidence.
    pub(super) async fn record(
        &mut self,
        kind: Kind,
        step: Option<&str>,
        [observed, desired, evidence]: [Value; 3],
    ) -> Result<(), Halt> {
        let draft = Draft {
            run: self.progress.run.clone(),
            step: step.map(str::to_owned),
            attempt: self.progress.attempt,
            kind,
            observed,
            desired,
            evidence,
            actor: self.engine.actor.clone(),
            at: self.engine.clock.now().to_rfc3339_opts(SecondsFormat::Millis, true),
        };
        self.pinning = true;
        let record = self.engine.ledger.append(self.lease, draft).await?;
        self.progress.accept(&record)?;
        Ok(())
    }

    /// Between two steps: nothing is half done, so this is where a run may stop.
    pub(super) async fn safe_point(&mut self) -> Result<(), Halt> {
        if self.engine.cancel.requested() {
            return Err(Halt::Interrupted);
        }
        self.renew().await
    }

    /// Renews the lease. A ledger that cannot be reached is borne with as long as the lease is surely ours.
    pub(super) async fn renew(&mut self) -> Result<(), Halt> {
        loop {
            let asked = self.engine.clock.elapsed();
            match self.ask_to_renew().await {
                // An answer that was long under way, or a process that was stopped: it proves nothing by now.
                Ok(()) => self.renewed = Some(asked),
                Err(LedgerError::Storage(_) | LedgerError::Away(_)) if self.is_safe() => {}
                Err(error) => {
                    return Err(Halt::Lost(Failure::new(FailureClass::LeaseLost, error.to_string())));
                }
            }
            if self.is_safe() {
                return Ok(());
            }
        }
    }

    async fn ask_to_renew(&self) -> Result<(), LedgerError> {
        let Engine { ledger, clock, .. } = self.engine;
        match select(ledger.renew(self.lease), clock.sleep(SAFE_FOR)).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => Err(LedgerError::Storage("it does not answer".to_owned())),
        }
    }

    /// Invariant: comes right before every effect, with nothing to wait for in between.
    pub(super) async fn steady(&mut self) -> Result<(), Halt> {
        if self.is_safe() { Ok(()) } else { self.renew().await }
    }

    fn is_safe(&self) -> bool {
        self.age().is_some_and(|age| age < SAFE_FOR)
    }

    /// How long ago the lease was surely ours.
    fn age(&self) -> Option<Duration> {
        Some(self.engine.clock.elapsed().saturating_sub(self.renewed?))
    }

    fn next_renewal(&self) -> Duration {
        RENEW_EVERY.saturating_sub(self.age().unwrap_or(RENEW_EVERY)).max(RENEW_AGAIN)
    }

    /// Waits for an effect and keeps the lease meanwhile. The operator's wish to stop drops a droppable one.
    pub(super) async fn guard<T>(
        &mut self,
        effect: impl Future<Output = T> + Send,
        droppable: bool,
    ) -> Result<T, Halt> {
        let Engine { cancel, clock, .. } = self.engine;
        let mut effect = pin!(effect);
        let mut stopped = pin!(async { if droppable { cancel.wait().await } else { pending().await } });
        loop {
            let others = select(stopped.as_mut(), clock.sleep(self.next_renewal()));
            match select(effect.as_mut(), others).await {
                Either::Left((outcome, _)) => return Ok(outcome),
                Either::Right((Either::Left(_), _)) => return Err(Halt::Interrupted),
                Either::Right((Either::Right(_), _)) => self.renew().await?,
            }
        }
    }

    pub(super) fn tell(&self, event: Event) {
        (self.engine.events)(event);
    }

    /// News from inside a step, as events.
    pub(super) fn teller(&self, step: &str) -> impl Fn(News) + Send + Sync + use<'a> {
        let (events, step) = (self.engine.events, step.to_owned());
        move |news| events(translate(&step, news))
    }
}

fn translate(step: &str, news: News) -> Event {
    let step = step.to_owned();
    match news {
        News::Message(message) => {
            Event::StepProgress { step, message: Some(message), done: None, total: None }
        }
        News::Count { done, total } => {
            Event::StepProgress { step, message: None, done: Some(done), total: Some(total) }
        }
        News::Check(check) => Event::CheckFinished { check },
        News::Load(report) => Event::LoadFinished { report },
    }
}
