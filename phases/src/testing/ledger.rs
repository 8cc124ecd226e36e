//! A ledger in memory, made of the same chain as real ones, that can die at a given record and lose its
//! lease on demand. Passes the ledger contract suite.

use std::future::{pending, poll_fn};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use async_trait::async_trait;

use crate::engine::journal::chain::{self, Tail};
use crate::engine::journal::{Draft, Record};
use crate::engine::ledger::{Claim, Lease, Ledger, LedgerError};

/// Where the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// When this many records are written, before anything else happens.
    After(usize),
    /// When the next record after this many should be written.
    Instead(usize),
}

/// A journal that was verified, so that it need not be for every look.
#[derive(Debug, Clone)]
struct Known {
    tail: Tail,
    records: Arc<Vec<Record>>,
}

#[derive(Debug, Default)]
struct Storage {
    journal: Vec<u8>,
    /// What the journal says; read anew when somebody has changed its bytes.
    known: Option<Known>,
    token: u64,
    lease: Option<Lease>,
    death: Option<Death>,
    written: usize,
    dead: bool,
    renewals_left: Option<usize>,
    refused_renewal: bool,
    full: bool,
}

impl Storage {
    /// Verifies the journal and cuts a torn last line off.
    fn known(&mut self) -> Result<Known, LedgerError> {
        if let Some(known) = &self.known {
            return Ok(known.clone());
        }
        let chain = chain::read(&self.journal)?;
        self.journal.truncate(chain.valid_bytes);
        let known = Known { tail: chain.tail, records: Arc::new(chain.records) };
        self.known = Some(known.clone());
        Ok(known)
    }
}

/// One handle on a storage in memory.
#[derive(Debug, Default)]
pub struct MemoryLedger {
    storage: Arc<Mutex<Storage>>,
    held: Mutex<Option<u64>>,
}

impl Drop for MemoryLedger {
    /// The kernel frees what a dead process held.
    fn drop(&mut self) {
        let held = *self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let mut storage = self.storage();
        if let Some(lease) = storage.lease.as_mut().filter(|lease| Some(lease.token) == held) {
            lease.expired = true;
        }
    }
}

impl MemoryLedger {
    /// A storage of its own with the same journal, held by nobody.
    #[must_use]
    pub fn copy(&self) -> Self {
        let copy = Self::default();
        let storage = self.storage();
        copy.storage().journal.clone_from(&storage.journal);
        copy.storage().known.clone_from(&storage.known);
        copy
    }

    /// All records, verified.
    ///
    /// # Errors
    /// When the journal is broken.
    pub fn verified(&self) -> Result<Arc<Vec<Record>>, LedgerError> {
        Ok(self.storage().known()?.records)
    }

    /// Another handle on the same storage.
    #[must_use]
    pub fn another(&self) -> Self {
        Self { storage: Arc::clone(&self.storage), held: Mutex::default() }
    }

    /// The journal's bytes.
    pub fn journal(&self) -> Vec<u8> {
        self.storage().journal.clone()
    }

    /// Replaces the journal's bytes.
    pub fn set_journal(&self, journal: &[u8]) {
        let mut storage = self.storage();
        storage.journal = journal.to_vec();
        storage.known = None;
    }

    /// Lets the process die while this handle's run writes.
    pub fn die(&self, death: Death) {
        let mut storage = self.storage();
        storage.death = Some(death);
        storage.written = 0;
    }

    /// Another process comes to life: nothing planted for the one before holds for it.
    pub fn revive(&self) {
        let mut storage = self.storage();
        storage.death = None;
        storage.dead = false;
        storage.renewals_left = None;
        storage.full = false;
    }

    /// The lease is taken away after this many renewals.
    pub fn lose_after(&self, renewals: usize) {
        self.storage().renewals_left = Some(renewals);
    }

    /// A renewal was refused since the lease was to be taken away.
    pub fn has_refused(&self) -> bool {
        self.storage().refused_renewal
    }

    /// There is no room for another record.
    pub fn fill_up(&self) {
        self.storage().full = true;
    }

    /// Returns when the process has died.
    pub async fn death(&self) {
        poll_fn(|_| if self.storage().dead { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    fn storage(&self) -> MutexGuard<'_, Storage> {
        self.storage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self, lease: &Lease) -> Result<(), LedgerError> {
        let held = *self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.storage().lease.as_ref().is_some_and(|now| now.token == lease.token);
        if current && held == Some(lease.token) {
            return Ok(());
        }
        Err(LedgerError::Lost { run: lease.run.clone(), token: lease.token })
    }

    /// Writes a record unless it is time to die; true = dead now.
    fn write(&self, lease: &Lease, draft: Draft) -> Result<(Option<Record>, bool), LedgerError> {
        let mut storage = self.storage();
        if storage.full {
            return Err(LedgerError::Storage("no space left".to_owned()));
        }
        if storage.death == Some(Death::Instead(storage.written)) {
            storage.dead = true;
            return Ok((None, true));
        }
        let mut known = storage.known()?;
        let (record, line, tail) = chain::seal(draft, lease.token, &known.tail);
        storage.journal.extend_from_slice(line.as_bytes());
        storage.known = None;
        Arc::make_mut(&mut known.records).push(record.clone());
        storage.known = Some(Known { tail, ..known });
        storage.written += 1;
        storage.dead = storage.death == Some(Death::After(storage.written));
        Ok((Some(record), storage.dead))
    }
}

#[async_trait]
impl Ledger for MemoryLedger {
    async fn acquire(&self, claim: &Claim) -> Result<Lease, LedgerError> {
        let mut storage = self.storage();
        if let Some(lease) = storage.lease.as_ref().filter(|lease| !lease.expired) {
            return Err(LedgerError::Held(Box::new(lease.clone())));
        }
        let used = storage.known()?.records.iter().map(|record| record.token).max();
        storage.token = storage.token.max(used.unwrap_or(0)).max(claim.above) + 1;
        let lease = Lease {
            holder: claim.holder.clone(),
            run: claim.run.clone(),
            token: storage.token,
            since: "2026-11-24T12:00:00Z".to_owned(),
            expires_at: None,
            expired: false,
        };
        storage.lease = Some(lease.clone());
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(lease.token);
        Ok(lease)
    }

    async fn renew(&self, lease: &Lease) -> Result<(), LedgerError> {
        self.check(lease)?;
        let mut storage = self.storage();
        match storage.renewals_left.as_mut() {
            Some(0) => {
                storage.refused_renewal = true;
                Err(LedgerError::Lost { run: lease.run.clone(), token: lease.token })
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    async fn release(&self, lease: &Lease) -> Result<(), LedgerError> {
        if self.check(lease).is_ok() {
            self.storage().lease = None;
        }
        Ok(())
    }

    async fn revoke(&self, lease: &Lease) -> Result<(), LedgerError> {
        let mut storage = self.storage();
        let held = storage.lease.as_ref().map(|held| (held.token, &held.run));
        if held != Some((lease.token, &lease.run)) {
            return Err(LedgerError::Lost { run: lease.run.clone(), token: lease.token });
        }
        storage.lease = None;
        Ok(())
    }

    async fn holder(&self) -> Result<Option<Lease>, LedgerError> {
        Ok(self.storage().lease.clone())
    }

    async fn append(&self, lease: &Lease, draft: Draft) -> Result<Record, LedgerError> {
        self.check(lease)?;
        match self.write(lease, draft)? {
            (Some(record), false) => Ok(record),
            _ => pending().await,
        }
    }

    async fn records(&self) -> Result<Vec<Record>, LedgerError> {
        Ok(self.verified()?.to_vec())
    }
}
