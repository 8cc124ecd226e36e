//! A file ledger that stands in while the server is away. Its journal begins as the copy of the server's, so that the run
//! knows what was before; what comes behind is what the server does not have yet.

use std::io;
use std::path::{Path, PathBuf};

use phases::engine::journal::chain::{self, Chain};
use phases::engine::ledger::{Claim, Lease, Ledger, LedgerError};

use super::super::file::{FileLedger, storage, sync_directory};
use super::copy::{Copy, write_durably};

/// A token given out here is so far above all that are known that no run which took its lease on the server meanwhile
/// bears the same one.
const AHEAD: u64 = 1000;

/// The spool in one directory.
#[derive(Debug)]
pub(super) struct Spool {
    directory: PathBuf,
    ledger: FileLedger,
}

/// A spool that nobody else writes to, because this value holds its lease.
#[derive(Debug)]
pub(super) struct Kept {
    lease: Lease,
    pub(super) highest_token: u64,
}

impl Spool {
    pub(super) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), ledger: FileLedger::new(directory) }
    }

    /// Its ledger.
    pub(super) const fn ledger(&self) -> &FileLedger {
        &self.ledger
    }

    /// Its journal.
    pub(super) fn journal(&self) -> PathBuf {
        self.directory.join("journal.ndjson")
    }

    /// Something was spooled and is not on the server yet, as far as is known here.
    pub(super) fn exists(&self) -> bool {
        self.journal().exists()
    }

    /// Its bytes, without a torn last line, and what they say.
    pub(super) fn read(&self) -> Result<(Vec<u8>, Chain), LedgerError> {
        let path = self.journal();
        let mut bytes = match std::fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read.map_err(|error| storage(&path, &error))?,
        };
        let chain = chain::read(&bytes)?;
        bytes.truncate(chain.valid_bytes);
        Ok((bytes, chain))
    }

    /// Takes a lease here, on what is known of the journal.
    pub(super) async fn acquire(&self, claim: &Claim, copy: &Copy) -> Result<Lease, LedgerError> {
        if !self.exists()
            && let Some(known) = copy.read()?
        {
            let known = &known[..chain::read(&known)?.valid_bytes];
            self.begin(known).map_err(|error| storage(&self.journal(), &error))?;
            sync_directory(&self.directory)?;
        }
        let highest = highest_token(&self.read()?.1);
        let above = highest.max(claim.above).saturating_add(AHEAD - 1);
        self.ledger.acquire(&Claim { above, ..claim.clone() }).await
    }

    /// Puts the copy where the journal goes, unless another process has just begun one.
    fn begin(&self, known: &[u8]) -> io::Result<()> {
        let new = self.directory.join(format!("journal.ndjson.{}", std::process::id()));
        write_durably(&new, known)?;
        let linked = match std::fs::hard_link(&new, self.journal()) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        };
        std::fs::remove_file(&new)?;
        linked
    }

    /// Keeps others from writing here, when there is something to bring to the server.
    pub(super) async fn lock(&self, claim: &Claim) -> Result<Option<Kept>, LedgerError> {
        if !self.exists() {
            return Ok(None);
        }
        let lease = self.ledger.acquire(claim).await?;
        let highest_token = highest_token(&self.read()?.1);
        Ok(Some(Kept { lease, highest_token }))
    }

    pub(super) async fn unlock(&self, kept: Kept) {
        if let Err(error) = self.ledger.release(&kept.lease).await {
            tracing::warn!(%error, "the spool's lease could not be given back");
        }
    }

    /// Everything in it is on the server: it is put aside under a name of its own.
    pub(super) fn put_aside(&self, chain: &Chain) -> Result<(), LedgerError> {
        let (path, aside) =
            (self.journal(), format!("merged-{}-{}.ndjson", chain.tail.seq, &chain.tail.hash[..8]));
        std::fs::rename(&path, self.directory.join(aside)).map_err(|error| storage(&path, &error))?;
        sync_directory(&self.directory)
    }
}

fn highest_token(chain: &Chain) -> u64 {
    chain.records.iter().map(|record| record.token).max().unwrap_or(0)
}
