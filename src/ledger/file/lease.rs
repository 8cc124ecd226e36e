//! The file `lease`: a lock that the kernel frees with its holder, and inside it who that is and the highest
//! token given out. The text is for messages; the lock alone decides.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use chrono::{SecondsFormat, Utc};
use phases::engine::ledger::{Claim, Lease, LedgerError};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::{storage, sync_directory};

const NAME: &str = "lease";

/// Somebody who only looks holds a shared lock for an instant: try again before calling it held.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(20);

/// What the file says.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Content {
    schema: u32,
    token: u64,
    lease: Option<Lease>,
    /// The holder has given it back. Its name stays for as long as the lock does: who is stopped right here must be
    /// called by a name that `unlock` can take.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    released: bool,
}

/// The file, locked for as long as this value lives.
#[derive(Debug)]
pub(super) struct LeaseFile {
    path: PathBuf,
    file: File,
}

impl LeaseFile {
    /// Locks the file, or says who has it.
    pub(super) fn lock(directory: &Path) -> Result<Self, LedgerError> {
        let path = directory.join(NAME);
        let new = !path.exists();
        let options =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = options.map_err(|error| storage(&path, &error))?;
        if new {
            sync_directory(directory)?;
        }
        for _ in 0..TRIES {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self { path, file }),
                Err(rustix::io::Errno::WOULDBLOCK) => sleep(PAUSE),
                Err(error) => return Err(storage(&path, &error.into())),
            }
        }
        let holder = read(&file).map_err(|error| storage(&path, &error))?.lease;
        Err(LedgerError::Held(Box::new(holder.unwrap_or_else(nameless))))
    }

    /// Writes the claim down with a token above every one seen.
    pub(super) fn write(&mut self, claim: &Claim, highest: u64) -> Result<Lease, LedgerError> {
        let stored = read(&self.file).map_err(|error| storage(&self.path, &error))?;
        let token = highest.max(stored.token).saturating_add(1);
        let lease = Lease {
            holder: claim.holder.clone(),
            run: claim.run.clone(),
            token,
            since: Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true),
            expires_at: None,
            expired: false,
        };
        self.store(&Content { schema: 1, token, lease: Some(lease.clone()), released: false })?;
        Ok(lease)
    }

    /// Says that nobody has it any more. The lock goes with this value.
    pub(super) fn clear(&mut self, token: u64) -> Result<(), LedgerError> {
        let lease = read(&self.file).map_err(|error| storage(&self.path, &error))?.lease;
        self.store(&Content { schema: 1, token, lease, released: true })
    }

    fn store(&self, content: &Content) -> Result<(), LedgerError> {
        let text = serde_json::to_string(content).expect("plain data always has JSON") + "\n";
        let written = self
            .file
            .write_all_at(text.as_bytes(), 0)
            .and_then(|()| self.file.set_len(text.len() as u64))
            .and_then(|()| self.file.sync_data());
        written.map_err(|error| storage(&self.path, &error))
    }

    /// The name still leads to the locked file: nobody has removed or replaced it.
    pub(super) fn is_in_place(&self) -> bool {
        let identity = |meta: std::fs::Metadata| (meta.dev(), meta.ino());
        match (std::fs::metadata(&self.path), self.file.metadata()) {
            (Ok(named), Ok(open)) => identity(named) == identity(open),
            _ => false,
        }
    }

    /// Puts a free lease file in the place of the one that holds `lease`. The token is remembered, so that the next
    /// lease is above it.
    pub(super) fn revoke(directory: &Path, lease: &Lease) -> Result<(), LedgerError> {
        let lost = || LedgerError::Lost { run: lease.run.clone(), token: lease.token };
        let current = Self::look(directory)?.ok_or_else(lost)?;
        if (current.run.as_str(), current.token) != (lease.run.as_str(), lease.token) {
            return Err(lost());
        }
        let (path, new) = (directory.join(NAME), directory.join(format!("{NAME}.new")));
        let _ = std::fs::remove_file(&new);
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&new);
        let free = Self { path: new.clone(), file: file.map_err(|error| storage(&new, &error))? };
        free.store(&Content { schema: 1, token: lease.token, lease: None, released: false })?;
        std::fs::rename(&new, &path).map_err(|error| storage(&path, &error))?;
        sync_directory(directory)
    }

    /// Who holds it now, from any process. The lease of a dead holder comes back as expired.
    pub(super) fn look(directory: &Path) -> Result<Option<Lease>, LedgerError> {
        let path = directory.join(NAME);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(storage(&path, &error)),
        };
        let alive = match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => false,
            Err(rustix::io::Errno::WOULDBLOCK) => true,
            Err(error) => return Err(storage(&path, &error.into())),
        };
        let content = read(&file).map_err(|error| storage(&path, &error))?;
        let lease = content.lease.filter(|_| alive || !content.released);
        let lease = if alive { Some(lease.unwrap_or_else(nameless)) } else { lease };
        Ok(lease.map(|lease| Lease { expired: !alive, ..lease }))
    }
}

/// Reads the content; a text torn by a crash says nothing, and the journal knows every token that was used.
fn read(file: &File) -> io::Result<Content> {
    let mut text = String::new();
    let mut reader = file.try_clone()?;
    io::Seek::rewind(&mut reader)?;
    match reader.read_to_string(&mut text) {
        Ok(_) => Ok(serde_json::from_str(&text).unwrap_or_default()),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(Content::default()),
        Err(error) => Err(error),
    }
}

/// A holder that has the lock and has not yet written its name.
fn nameless() -> Lease {
    let unknown = || "unknown".to_owned();
    Lease { holder: unknown(), run: unknown(), token: 0, since: unknown(), expires_at: None, expired: false }
}
