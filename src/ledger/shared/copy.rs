//! `copy.ndjson`: what this machine knows of a shared journal. It is made from the server's lines and decides nothing, but
//! a ledger that has lost lines which stand here is not the one that this machine worked with.

use std::fs::{File, OpenOptions, rename};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use phases::engine::journal::{Record, chain};
use phases::engine::ledger::LedgerError;

use super::super::file::{storage, sync_directory};

/// The copy in one directory.
#[derive(Debug)]
pub(super) struct Copy {
    directory: PathBuf,
    path: PathBuf,
    /// The file that this value has made. Another holder's copy is another file: what a slow one adds after it has lost
    /// its lease goes into a file that nobody reads.
    own: Mutex<Option<File>>,
}

impl Copy {
    pub(super) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), path: directory.join("copy.ndjson"), own: Mutex::default() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Its bytes, when there is one.
    pub(super) fn read(&self) -> Result<Option<Vec<u8>>, LedgerError> {
        match std::fs::read(&self.path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(storage(&self.path, &error)),
        }
    }

    /// Its records, verified.
    pub(super) fn records(&self) -> Result<Vec<Record>, LedgerError> {
        Ok(chain::read(&self.read()?.unwrap_or_default())?.records)
    }

    /// Makes it the server's lines. That it cannot be written hinders nobody who reaches the server.
    pub(super) fn replace(&self, bytes: &[u8]) {
        let new = self.directory.join(format!("copy.ndjson.{}", std::process::id()));
        let written = write_durably(&new, bytes).and_then(|file| rename(&new, &self.path).map(|()| file));
        let written = written.map_err(|error| storage(&self.path, &error));
        let own = match written.and_then(|file| sync_directory(&self.directory).map(|()| file)) {
            Ok(file) => Some(file),
            Err(error) => {
                tracing::warn!(%error, "the copy of the journal could not be written");
                None
            }
        };
        *self.own.lock().unwrap_or_else(PoisonError::into_inner) = own;
    }

    /// Adds a record that the server has. After one that could not be added none follows, so that no line is missing
    /// between two; a line torn by a crash is left out by the next reader.
    pub(super) fn add(&self, record: &Record) {
        let line = serde_json::to_string(record).expect("plain data always has JSON") + "\n";
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Err(error)) = own.as_mut().map(|file| file.write_all(line.as_bytes())) {
            tracing::warn!(%error, "a record could not be added to the copy of the journal");
            *own = None;
        }
    }
}

/// Writes a new private file whose bytes are on the disk when this returns.
pub(super) fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut file: File = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(file)
}
