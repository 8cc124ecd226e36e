//! The simulated ledger put up for the contract suite of ledgers: the same server and the same door, with nobody
//! waiting for anything.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::engine::journal::{Draft, Record};
use crate::engine::ledger::{Claim, Lease, Ledger, LedgerError};
use crate::testing::contract::ledger::Stand;
use crate::testing::scene::Scene;
use crate::testing::simulation::climate::Rate;
use crate::testing::simulation::journal::Journal;
use crate::testing::simulation::ledger::RemoteLedger;
use crate::testing::simulation::random::Random;
use crate::testing::simulation::stage::Stage;

/// A stage of its own for each promise of the contract.
#[derive(Debug)]
pub struct SimulatedLedger {
    stage: Arc<Stage>,
}

impl Default for SimulatedLedger {
    fn default() -> Self {
        let stage = Stage::new(&Scene::default(), Random::new(1), None, false);
        stage.state().instant = true;
        Self { stage }
    }
}

/// A process of one and the same host; it dies with this value.
struct Handle(RemoteLedger);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.stage.state().processes[self.0.pid].alive = false;
    }
}

#[async_trait]
impl Stand for SimulatedLedger {
    async fn open(&self) -> Box<dyn Ledger> {
        let pid = self.stage.state().process(0, Rate::True, Duration::ZERO);
        Box::new(Handle(RemoteLedger { stage: Arc::clone(&self.stage), pid }))
    }

    async fn kill(&self, ledger: Box<dyn Ledger>) {
        drop(ledger);
    }

    async fn run_out(&self) -> bool {
        let mut state = self.stage.state();
        let now = state.now();
        if let Some(held) = state.lease.held.as_mut() {
            held.until = now;
        }
        true
    }

    async fn journal(&self) -> Vec<u8> {
        self.stage.state().journal.bytes().to_vec()
    }

    async fn set_journal(&self, bytes: &[u8]) {
        self.stage.state().journal = Journal::read(bytes);
    }
}

#[async_trait]
impl Ledger for Handle {
    async fn acquire(&self, claim: &Claim) -> Result<Lease, LedgerError> {
        self.0.acquire(claim).await
    }

    async fn renew(&self, lease: &Lease) -> Result<(), LedgerError> {
        self.0.renew(lease).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), LedgerError> {
        self.0.release(lease).await
    }

    async fn revoke(&self, lease: &Lease) -> Result<(), LedgerError> {
        self.0.revoke(lease).await
    }

    async fn holder(&self) -> Result<Option<Lease>, LedgerError> {
        self.0.holder().await
    }

    async fn append(&self, lease: &Lease, draft: Draft) -> Result<Record, LedgerError> {
        self.0.append(lease, draft).await
    }

    async fn records(&self) -> Result<Vec<Record>, LedgerError> {
        self.0.records().await
    }
}
