//! `journal.ndjson`: appended to under the lease, read by anybody. A line counts once it is flushed.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use phases::engine::journal::chain::{self, Chain, Tail};
use phases::engine::journal::{Draft, Record};
use phases::engine::ledger::LedgerError;

use super::{storage, sync_directory};

const NAME: &str = "journal.ndjson";

/// The journal open for appending.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    tail: Tail,
    highest_token: u64,
    /// Bytes that are known to be whole lines on the disk. What lies behind them is cut off before writing.
    length: u64,
}

impl Journal {
    /// Opens and verifies it; makes it when there is none.
    pub(super) fn open(directory: &Path) -> Result<Self, LedgerError> {
        let path = directory.join(NAME);
        let chain = read(directory)?;
        let new = !path.exists();
        let options = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = options.map_err(|error| storage(&path, &error))?;
        if new {
            sync_directory(directory)?;
        }
        let highest_token = chain.records.iter().map(|record| record.token).max().unwrap_or(0);
        Ok(Self { path, file, tail: chain.tail, highest_token, length: chain.valid_bytes as u64 })
    }

    pub(super) const fn highest_token(&self) -> u64 {
        self.highest_token
    }

    /// Appends one record. When it returns an error the journal is as it was before.
    pub(super) fn append(&mut self, draft: Draft, token: u64) -> Result<Record, LedgerError> {
        let (record, line, tail) = chain::seal(draft, token, &self.tail);
        self.write(line.as_bytes()).map_err(|error| storage(&self.path, &error))?;
        self.length += line.len() as u64;
        self.tail = tail;
        Ok(record)
    }

    /// Invariant: `length` moves only after the flush, so that a torn or unflushed line is overwritten.
    fn write(&self, line: &[u8]) -> io::Result<()> {
        if self.file.metadata()?.len() != self.length {
            self.file.set_len(self.length)?;
        }
        self.file.write_all_at(line, self.length)?;
        self.file.sync_data()
    }
}

/// Reads and verifies the journal without any lock; none at all is an empty one.
pub(super) fn read(directory: &Path) -> Result<Chain, LedgerError> {
    let path = directory.join(NAME);
    match std::fs::read(&path) {
        Ok(bytes) => chain::read(&bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Chain::default()),
        Err(error) => Err(storage(&path, &error)),
    }
}
