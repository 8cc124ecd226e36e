//! Where a run's memory lives. Every ledger here passes the contract suite of `phases::testing::contract`.

use async_trait::async_trait;
use phases::engine::journal::{Draft, Record};
use phases::engine::ledger::{Claim, Lease, Ledger, LedgerError};

pub mod file;
pub mod postgres;
pub mod shared;

use file::FileLedger;
use shared::SharedLedger;

/// The ledger that an environment uses.
pub enum EnvironmentLedger {
    /// Files in the state directory.
    Files(Box<FileLedger>),
    /// A database that operators share (`[ledger] dsn_key`).
    Shared(Box<SharedLedger>),
}

impl EnvironmentLedger {
    /// Takes the lease even while a shared ledger is away: for runs that lead back to what served before.
    ///
    /// # Errors
    /// As [`Ledger::acquire`].
    pub async fn acquire_or_spool(&self, claim: &Claim) -> Result<Lease, LedgerError> {
        match self {
            Self::Files(ledger) => ledger.acquire(claim).await,
            Self::Shared(ledger) => ledger.acquire_or_spool(claim).await,
        }
    }

    fn inner(&self) -> &dyn Ledger {
        match self {
            Self::Files(ledger) => &**ledger,
            Self::Shared(ledger) => &**ledger,
        }
    }
}

#[async_trait]
impl Ledger for EnvironmentLedger {
    async fn acquire(&self, claim: &Claim) -> Result<Lease, LedgerError> {
        self.inner().acquire(claim).await
    }

    async fn renew(&self, lease: &Lease) -> Result<(), LedgerError> {
        self.inner().renew(lease).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), LedgerError> {
        self.inner().release(lease).await
    }

    async fn revoke(&self, lease: &Lease) -> Result<(), LedgerError> {
        self.inner().revoke(lease).await
    }

    async fn holder(&self) -> Result<Option<Lease>, LedgerError> {
        self.inner().holder().await
    }

    async fn append(&self, lease: &Lease, draft: Draft) -> Result<Record, LedgerError> {
        self.inner().append(lease, draft).await
    }

    async fn records(&self) -> Result<Vec<Record>, LedgerError> {
        self.inner().records().await
    }
}
