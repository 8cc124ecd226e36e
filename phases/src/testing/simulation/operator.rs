//! What one process of an operator does, as crmctl does it: lease, look, plan, run, give the lease back.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;

use crate::engine::cancel::Cancel;
use crate::engine::clock::Clock;
use crate::engine::fence;
use crate::engine::history;
use crate::engine::journal::Actor;
use crate::engine::ledger::{Claim, Lease, Ledger, LedgerError};
use crate::engine::report::RunReport;
use crate::engine::resume::Progress;
use crate::engine::run::Engine;
use crate::pipeline;
use crate::release::Release;
use crate::request::{PlanError, Request};
use crate::testing::observed::observed;
use crate::testing::simulation::clock::OwnClock;
use crate::testing::simulation::effects::SentEffects;
use crate::testing::simulation::fate::short;
use crate::testing::simulation::ledger::RemoteLedger;
use crate::testing::simulation::rare::Rare;
use crate::testing::simulation::stage::Stage;
use crate::testing::simulation::timeline::Pid;

/// How long `resume` and `rollback` wait for the lease of somebody who may be dead.
const PATIENCE: Duration = Duration::from_secs(35);

/// A command typed.
#[derive(Debug, Clone)]
pub(crate) enum Errand {
    /// A verb that makes a plan.
    Run(Request, Option<Release>),
    /// `crmctl resume`.
    Resume,
    /// `crmctl rollback`: takes an unfinished run back, else goes back to an earlier release.
    Rollback,
    /// `crmctl resolve`.
    Resolve,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) enum Exit {
    /// Somebody else holds the lease, or the ledger cannot be reached.
    NoLease(LedgerError),
    /// There is no plan.
    Refused(PlanError),
    /// The fence could not be raised.
    Unfenced,
    /// There was nothing to go on with.
    NothingToDo,
    /// A run, whatever became of it.
    Ran(Box<RunReport>),
}

/// A process of an operator.
pub(crate) struct Command {
    pub stage: Arc<Stage>,
    pub pid: Pid,
    pub operator: usize,
    pub errand: Errand,
}

impl Command {
    pub(crate) async fn run(self) -> Exit {
        let ledger = RemoteLedger { stage: Arc::clone(&self.stage), pid: self.pid };
        let lease = match self.lease(&ledger).await {
            Ok(lease) => lease,
            Err(error) => return Exit::NoLease(error),
        };
        let exit = self.under(&ledger, &lease).await;
        // A lease that cannot be given back runs out by itself.
        drop(ledger.release(&lease).await);
        exit.unwrap_or_else(Exit::NoLease)
    }

    async fn lease(&self, ledger: &RemoteLedger) -> Result<Lease, LedgerError> {
        let clock = OwnClock { stage: Arc::clone(&self.stage), pid: self.pid };
        let began = clock.elapsed();
        let claim = Claim {
            holder: ["ana@pc1", "ben@pc2"][self.operator % 2].to_owned(),
            run: format!("process-{}", self.pid),
            verb: "deploy".to_owned(),
            above: 0,
        };
        let waits = matches!(self.errand, Errand::Resume | Errand::Rollback);
        loop {
            match ledger.acquire(&claim).await {
                Err(LedgerError::Held(_)) if waits && clock.elapsed() - began < PATIENCE * 2 => {
                    clock.sleep(Duration::from_secs(5)).await;
                }
                answer => return answer,
            }
        }
    }

    async fn under(&self, ledger: &RemoteLedger, lease: &Lease) -> Result<Exit, LedgerError> {
        let stage = &self.stage;
        let records = ledger.records().await?;
        let unfinished = history::unfinished(&records).expect("the journal makes sense");
        let actor = Actor { user: ["ana", "ben"][self.operator % 2].to_owned(), host: "pc".to_owned() };
        let pid = self.pid;
        let effects = SentEffects { stage: Arc::clone(stage), pid };
        let clock = OwnClock { stage: Arc::clone(stage), pid };
        let cancel = Signal { stage: Arc::clone(stage), pid };
        let engine = Engine {
            effects: &effects,
            ledger,
            clock: &clock,
            cancel: &cancel,
            events: &|_| {},
            actor: &actor,
        };
        let report = match (&self.errand, unfinished) {
            (Errand::Run(request, release), _) => {
                return self.plan_and_run(engine, lease, request, release.as_ref()).await;
            }
            (Errand::Rollback, open) if open.as_ref().is_none_or(|open| !open.touched()) => {
                return self.plan_and_run(engine, lease, &Request::rollback(None), None).await;
            }
            (Errand::Resolve, _) => engine.resolve(lease, "local", "looked at it").await,
            (_, None) => return Ok(Exit::NothingToDo),
            (Errand::Resume, Some(open)) => {
                self.take_over(&open, Rare::TakenOver);
                engine.resume(lease, open).await
            }
            (Errand::Rollback, Some(open)) => {
                self.take_over(&open, Rare::TakenBack);
                engine.unwind(lease, open).await
            }
        };
        Ok(Exit::Ran(Box::new(report)))
    }

    fn take_over(&self, open: &Progress, rare: Rare) {
        let mut state = self.stage.state();
        let pid = open.run.strip_prefix("process-").and_then(|pid| pid.parse::<Pid>().ok());
        let owner = pid.and_then(|pid| state.processes.get(pid)).map(|owner| (owner.operator, owner.alive));
        let Some((operator, alive)) = owner else { return };
        if operator != self.operator {
            state.rares.count(rare);
        }
        if alive {
            state.rares.count(Rare::TwoAtOnce);
        }
    }

    async fn plan_and_run(
        &self,
        engine: Engine<'_>,
        lease: &Lease,
        request: &Request,
        release: Option<&Release>,
    ) -> Result<Exit, LedgerError> {
        if let Err(failure) = fence::raise(engine.effects, engine.ledger, engine.clock, lease).await {
            let mut state = self.stage.state();
            state.rares.count(Rare::Unfenced);
            state.tell(|| format!("process {} cannot raise the fence: {}", self.pid, failure.message));
            return Ok(Exit::Unfenced);
        }
        let records = &engine.ledger.records().await?;
        let pause = short(&mut self.stage.state().random);
        self.stage.sleep(self.pid, pause).await;
        self.stage.state().model.looked(self.pid);
        let observed = observed(records, &self.stage.world, release);
        match pipeline::plan(request, &self.stage.environment, release, &observed) {
            Ok(plan) => Ok(Exit::Ran(Box::new(engine.run(lease, &plan).await))),
            Err(error) => {
                if matches!(error, PlanError::Unfinished { .. }) {
                    self.stage.state().rares.count(Rare::RefusedUnfinished);
                }
                Ok(Exit::Refused(error))
            }
        }
    }
}

/// The door `Cancel` as one process sees it.
struct Signal {
    stage: Arc<Stage>,
    pid: Pid,
}

#[async_trait]
impl Cancel for Signal {
    fn requested(&self) -> bool {
        self.stage.state().processes[self.pid].asked
    }

    async fn wait(&self) {
        // Whoever asks wakes the process.
        std::future::poll_fn(|_| if self.requested() { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}
