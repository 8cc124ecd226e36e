//! A ledger with a bug.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use crmctl::ledger::EnvironmentLedger;
use crmctl::ledger::file::FileLedger;
use crmctl::site::Site;
use phases::engine::journal::{Draft, Kind, Record, SCHEMA};
use phases::engine::ledger::{Claim, Lease, Ledger, LedgerError};

use crate::Bug;

/// The real one, and what the bug makes of it.
pub(crate) struct Faulty<'s> {
    site: &'s Site,
    bug: Option<Bug>,
    /// Acknowledged, not written.
    held: Mutex<Option<Draft>>,
    /// Another holding of the same ledger, once the first is lost.
    revived: Mutex<Option<(FileLedger, Lease)>>,
}

impl<'s> Faulty<'s> {
    pub(crate) fn around(site: &'s Site, bug: Option<Bug>) -> Self {
        Self { site, bug, held: Mutex::default(), revived: Mutex::default() }
    }

    fn real(&self) -> &EnvironmentLedger {
        &self.site.ledger
    }

    /// Whether the bug acknowledges this record without writing it.
    fn holds_back(&self, kind: Kind) -> bool {
        match self.bug {
            Some(Bug::IntentAfterEffect) => kind == Kind::Intent,
            Some(Bug::AcknowledgedTooEarly) => kind != Kind::End,
            _ => false,
        }
    }

    async fn revive(&self, lost: &Lease, draft: Draft) -> Result<Record, LedgerError> {
        let known = self.revived.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (ledger, lease) = match known {
            Some(known) => known,
            None => {
                let ledger = FileLedger::new(self.site.state.ledger());
                let claim = Claim {
                    holder: lost.holder.clone(),
                    run: lost.run.clone(),
                    verb: "deploy".to_owned(),
                    above: lost.token,
                };
                let lease = ledger.acquire(&claim).await?;
                (ledger, lease)
            }
        };
        let written = ledger.append(&lease, draft).await;
        *self.revived.lock().unwrap_or_else(PoisonError::into_inner) = Some((ledger, lease));
        written
    }
}

#[async_trait]
impl Ledger for Faulty<'_> {
    async fn acquire(&self, claim: &Claim) -> Result<Lease, LedgerError> {
        if self.bug == Some(Bug::LiveHolderIgnored)
            && let Some(holder) = self.real().holder().await?.filter(|holder| !holder.expired)
        {
            self.real().revoke(&holder).await?;
        }
        self.real().acquire(claim).await
    }

    async fn renew(&self, lease: &Lease) -> Result<(), LedgerError> {
        match self.bug {
            Some(Bug::LeaseRevived) => Ok(()),
            _ => self.real().renew(lease).await,
        }
    }

    async fn release(&self, lease: &Lease) -> Result<(), LedgerError> {
        match self.bug {
            Some(Bug::LeaseKept) => Ok(()),
            _ => self.real().release(lease).await,
        }
    }

    async fn revoke(&self, lease: &Lease) -> Result<(), LedgerError> {
        self.real().revoke(lease).await
    }

    async fn holder(&self) -> Result<Option<Lease>, LedgerError> {
        self.real().holder().await
    }

    async fn append(&self, lease: &Lease, draft: Draft) -> Result<Record, LedgerError> {
        let earlier = self.held.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(earlier) = earlier {
            self.real().append(lease, earlier).await?;
        }
        if self.holds_back(draft.kind) {
            let record = unwritten(&draft, lease.token);
            *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(draft);
            return Ok(record);
        }
        match self.real().append(lease, draft.clone()).await {
            Err(LedgerError::Lost { .. }) if self.bug == Some(Bug::LeaseRevived) => {
                self.revive(lease, draft).await
            }
            written => written,
        }
    }

    async fn records(&self) -> Result<Vec<Record>, LedgerError> {
        self.real().records().await
    }
}

/// What the loop is told of a record that is not in the journal.
fn unwritten(draft: &Draft, token: u64) -> Record {
    let Draft { run, step, attempt, kind, observed, desired, evidence, actor, at } = draft.clone();
    let (seq, prev) = (0, String::new());
    Record {
        schema: SCHEMA,
        seq,
        run,
        token,
        step,
        attempt,
        kind,
        observed,
        desired,
        evidence,
        actor,
        at,
        prev,
    }
}
