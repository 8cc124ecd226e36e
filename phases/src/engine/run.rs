//! The one loop that runs any plan: probe, intent, effect, probe, done; on failure the way back. Knows
//! nothing of what a step does and everything about what must be written when.

use std::sync::Arc;

use tracing::{Instrument, info_span};

use crate::engine::cancel::Cancel;
use crate::engine::clock::Clock;
use crate::engine::effects::Effects;
use crate::engine::event::Event;
use crate::engine::failure::{Failure, FailureClass};
use crate::engine::fence;
use crate::engine::history;
use crate::engine::journal::Actor;
use crate::engine::ledger::{Lease, Ledger};
use crate::engine::report::RunReport;
use crate::engine::resume::{Progress, Unfinished};
use crate::observed::Blockage;
use crate::plan::{Phase, Plan};

mod active;
mod blame;
mod conclude;
mod decide;
mod forward;
mod unwind;

use active::{Active, Halt};

/// The loop with its doors. Take the lease, raise the fence ([`crate::engine::fence`]) and observe under both before
/// planning: a plan is only as true as what was seen. The lease stays the caller's to give back.
#[derive(Clone, Copy)]
pub struct Engine<'a> {
    /// Where effects happen.
    pub effects: &'a dyn Effects,
    /// Where records go.
    pub ledger: &'a dyn Ledger,
    /// Time.
    pub clock: &'a dyn Clock,
    /// The operator's wish to stop.
    pub cancel: &'a dyn Cancel,
    /// Where news goes.
    pub events: &'a (dyn Fn(Event) + Send + Sync),
    /// Who runs it.
    pub actor: &'a Actor,
}

impl Engine<'_> {
    /// Runs a plan from its first step. Refuses to change anything on top of an unfinished or stuck run.
    pub async fn run(&self, lease: &Lease, plan: &Plan) -> RunReport {
        let progress = Progress::new(lease.run.clone(), plan.clone());
        let mut active = Active::new(*self, lease, progress);
        (self.events)(Event::RunStarted { verb: plan.verb.clone(), token: lease.token });
        let ready = match self.refusal(plan).await {
            Ok(()) => active.pin_plan().await,
            Err(halt) => Err(halt),
        };
        match ready {
            Ok(()) => active.drive().await,
            Err(halt) => active.abandon(halt).await,
        }
    }

    /// Goes on with a run that has no end, or goes on taking it back when that had begun.
    pub async fn resume(&self, lease: &Lease, unfinished: Unfinished) -> RunReport {
        self.adopt(lease, unfinished, "resume").await
    }

    /// What `rollback` means while there is a run without end: a run that went forward is taken back; one that
    /// was going back already is gone on with, since taking that back would bring in what people want to leave.
    pub async fn unwind(&self, lease: &Lease, unfinished: Unfinished) -> RunReport {
        let how = if unfinished.plan.goes_back() { "resume" } else { "unwind" };
        self.adopt(lease, unfinished, how).await
    }

    async fn adopt(&self, lease: &Lease, unfinished: Unfinished, how: &str) -> RunReport {
        let verb = if how == "unwind" { Phase::Rollback.as_str() } else { &unfinished.plan.verb };
        (self.events)(Event::RunStarted { verb: verb.to_owned(), token: lease.token });
        (self.events)(Event::PlanReady { plan: Box::new(unfinished.plan.clone()) });
        let mut active = Active::new(*self, lease, unfinished);
        let adopted = match self.fence(lease).await {
            Ok(()) => active.adopt(how).await,
            Err(halt) => Err(halt),
        };
        match adopted {
            Ok(()) => active.drive().await,
            Err(halt) => active.abandon(halt).await,
        }
    }

    /// What the operator before left under way must not happen after this one has looked.
    async fn fence(&self, lease: &Lease) -> Result<(), Halt> {
        fence::raise(self.effects, self.ledger, self.clock, lease).await.map_err(|failure| {
            match failure.class {
                FailureClass::LeaseLost => Halt::Lost(failure),
                _ => Halt::Unfenced(failure),
            }
        })
    }

    /// Invariant: nothing is changed on top of a run that may have left something half done.
    async fn refusal(&self, plan: &Plan) -> Result<(), Halt> {
        if plan.effects() == 0 {
            return Ok(());
        }
        let records = self.ledger.records().await.map_err(Halt::from)?;
        let refuse = |message: String, hint: &str| {
            let hint = format!("run `crmctl {hint} {}`", plan.environment);
            Err(Halt::Refused(Failure::new(FailureClass::Refused, message).hint(hint)))
        };
        match history::blockage(&records).map_err(Halt::from)? {
            Some(Blockage::Unfinished { run, verb }) => {
                refuse(format!("run `{run}` ({verb}) is not finished"), "resume")
            }
            Some(Blockage::Stuck { run, verb }) if plan.verb != Phase::Rollback.as_str() => {
                refuse(format!("run `{run}` ({verb}) ended stuck"), "status")
            }
            _ => Ok(()),
        }
    }
}

impl<'a> Active<'a> {
    async fn drive(self) -> RunReport {
        let span = info_span!("run", run = %self.progress.run, verb = %self.plan.verb);
        self.drive_on().instrument(span).await
    }

    async fn drive_on(mut self) -> RunReport {
        let plan = Arc::clone(&self.plan);
        let halt = if self.progress.must_unwind() {
            self.recall(&plan);
            Some(self.standing())
        } else {
            self.forward(&plan).await.err()
        };
        self.conclude(halt).await
    }

    /// Why a run that is gone on with was being taken back.
    fn standing(&self) -> Halt {
        if self.progress.taken_back {
            Halt::TakenBack
        } else if self.progress.interrupted {
            Halt::Interrupted
        } else {
            Halt::Failed
        }
    }
}
