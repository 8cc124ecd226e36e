//! The ledger of `local`: an fsynced journal and a file lock, which the kernel frees when its holder dies.
//! Owns `journal.ndjson`, `lease` and `releases.json`; encoding and verifying are the chain's.
//!
//! It blocks: a record is a few hundred bytes and a flush of some milliseconds, and the run loop has nothing
//! else to do meanwhile. A hop to another thread would cost more and let a dropped future leave a half-made
//! append behind.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use phases::engine::journal::{Draft, Kind, Record};
use phases::engine::ledger::{Claim, Lease, Ledger, LedgerError};

mod journal;
mod lease;
mod snapshot;
#[cfg(test)]
mod tests;

use journal::Journal;
use lease::LeaseFile;

/// The ledger in one directory. Each value is a holder of its own, in one process or in several.
#[derive(Debug)]
pub struct FileLedger {
    directory: PathBuf,
    held: Mutex<Option<Held>>,
}

/// What exists only while this value holds the lease.
#[derive(Debug)]
struct Held {
    lease: Lease,
    file: LeaseFile,
    journal: Journal,
}

impl FileLedger {
    /// The ledger in `directory` (`<state>/<environment>/ledger`). Touches nothing until it is used; reading
    /// never creates anything.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), held: Mutex::new(None) }
    }

    fn held(&self) -> MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, claim: &Claim) -> Result<Lease, LedgerError> {
        let mut held = self.held();
        if let Some(held) = held.as_ref() {
            return Err(LedgerError::Held(Box::new(held.lease.clone())));
        }
        create(&self.directory)?;
        let mut file = LeaseFile::lock(&self.directory)?;
        let journal = Journal::open(&self.directory)?;
        let lease = file.write(claim, journal.highest_token().max(claim.above))?;
        *held = Some(Held { lease: lease.clone(), file, journal });
        Ok(lease)
    }

    fn write(&self, lease: &Lease, draft: Draft) -> Result<Record, LedgerError> {
        let mut held = self.held();
        let current = current(held.as_mut(), lease)?;
        let record = current.journal.append(draft, lease.token)?;
        if record.kind == Kind::Verdict {
            snapshot::write(&self.directory);
        }
        Ok(record)
    }
}

/// The holding of exactly this lease, as long as nobody has taken the files away.
fn current<'a>(held: Option<&'a mut Held>, lease: &Lease) -> Result<&'a mut Held, LedgerError> {
    let lost = || LedgerError::Lost { run: lease.run.clone(), token: lease.token };
    let held = held.filter(|held| held.lease.token == lease.token).ok_or_else(lost)?;
    if held.file.is_in_place() { Ok(held) } else { Err(lost()) }
}

#[async_trait]
impl Ledger for FileLedger {
    async fn acquire(&self, claim: &Claim) -> Result<Lease, LedgerError> {
        self.take(claim)
    }

    async fn renew(&self, lease: &Lease) -> Result<(), LedgerError> {
        current(self.held().as_mut(), lease).map(|_| ())
    }

    async fn release(&self, lease: &Lease) -> Result<(), LedgerError> {
        let mut held = self.held();
        if held.as_ref().is_some_and(|held| held.lease.token == lease.token)
            && let Some(mut held) = held.take()
        {
            held.file.clear(lease.token)?;
        }
        Ok(())
    }

    async fn revoke(&self, lease: &Lease) -> Result<(), LedgerError> {
        LeaseFile::revoke(&self.directory, lease)
    }

    async fn holder(&self) -> Result<Option<Lease>, LedgerError> {
        LeaseFile::look(&self.directory)
    }

    async fn append(&self, lease: &Lease, draft: Draft) -> Result<Record, LedgerError> {
        self.write(lease, draft)
    }

    async fn records(&self) -> Result<Vec<Record>, LedgerError> {
        Ok(journal::read(&self.directory)?.records)
    }
}

/// Makes the directory private; its parents can be passed through, as other parts of the state live there.
fn create(directory: &Path) -> Result<(), LedgerError> {
    if directory.is_dir() {
        return Ok(());
    }
    if let Some(parent) = directory.parent() {
        let made = DirBuilder::new().recursive(true).mode(0o711).create(parent);
        made.map_err(|error| storage(parent, &error))?;
    }
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map_err(|error| storage(directory, &error)),
    }?;
    directory.parent().map_or(Ok(()), sync_directory)
}

/// Makes names in a directory durable.
pub(super) fn sync_directory(directory: &Path) -> Result<(), LedgerError> {
    File::open(directory).and_then(|file| file.sync_all()).map_err(|error| storage(directory, &error))
}

pub(super) fn storage(path: &Path, error: &io::Error) -> LedgerError {
    LedgerError::Storage(format!("`{}`: {error}", path.display()))
}
