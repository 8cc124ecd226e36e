//! What must survive the supervisor: `supervisor/state.json`, replaced as a whole or not at all.

use std::fs::File;
use std::io::{Error as IoError, ErrorKind, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use phases::engine::platform::Role;
use phases::release::ReleaseId;
use serde::{Deserialize, Serialize};

use super::lock::FileLock;
use super::process::{Exit, ProcessIdentity};
use super::protocol::Drain;
use crate::state_directory::StateDirectory;

/// Version of the file.
const SCHEMA: u32 = 1;
/// Ends of instances that are remembered.
const EXITS_KEPT: usize = 8;

/// Everything the supervisor knows.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredState {
    schema: u32,
    /// Highest token seen.
    pub(crate) token: u64,
    /// Number of the next instance.
    pub(crate) next: u64,
    /// The supervisor that wrote this.
    pub(crate) supervisor: Option<ProcessIdentity>,
    /// Public address it holds.
    pub(crate) address: Option<SocketAddr>,
    /// Release that is meant to serve.
    pub(crate) serving: Option<ReleaseId>,
    /// What served before it.
    pub(crate) previous: Option<ReleaseId>,
    /// A switch to this release was begun and not ended.
    pub(crate) switching: Option<ReleaseId>,
    /// What runs.
    pub(crate) instances: Vec<StoredInstance>,
    /// What ended without being asked, oldest first.
    pub(crate) exits: Vec<ExitRecord>,
}

/// A running instance of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredInstance {
    /// Names its sockets; never used twice.
    pub(crate) number: u64,
    pub(crate) release: ReleaseId,
    pub(crate) role: Role,
    /// Since when it has this role (RFC 3339).
    pub(crate) since: String,
    pub(crate) process: ProcessIdentity,
    /// Where its program lies.
    pub(crate) directory: PathBuf,
    /// Where its part of the release's log begins.
    pub(crate) log_from: u64,
    /// How long it may take to leave.
    #[serde(default)]
    pub(crate) drain: Drain,
}

/// How an instance ended without being asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExitRecord {
    pub(crate) release: ReleaseId,
    pub(crate) exit: Exit,
    /// When (RFC 3339).
    pub(crate) at: String,
    /// Last lines of its log, newest last.
    pub(crate) lines: Vec<String>,
}

/// Why the state could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StateFileError {
    /// The file system refused.
    #[error("cannot {what} `{}`", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// The verb that failed.
        what: &'static str,
        /// What the system said.
        #[source]
        source: IoError,
    },
    /// It is not what a supervisor wrote.
    #[error("`{}` is no state of a supervisor: {reason}", path.display())]
    Broken {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A token lower than one that was seen.
    #[error("token {token} is older than {seen}, which was seen already")]
    LowerToken {
        /// Given.
        token: u64,
        /// Highest seen.
        seen: u64,
    },
}

impl Default for StoredState {
    fn default() -> Self {
        Self {
            schema: SCHEMA,
            token: 0,
            next: 1,
            supervisor: None,
            address: None,
            serving: None,
            previous: None,
            switching: None,
            instances: Vec::new(),
            exits: Vec::new(),
        }
    }
}

impl StoredState {
    /// Path of the file.
    pub(crate) fn path(state: &StateDirectory) -> PathBuf {
        state.supervisor().join("state.json")
    }

    /// What was written last; nothing at all when there is no file.
    pub(crate) fn read(state: &StateDirectory) -> Result<Self, StateFileError> {
        let path = Self::path(state);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(StateFileError::Io { path, what: "read", source }),
        };
        let broken = |reason| StateFileError::Broken { path: path.clone(), reason };
        let found: Self = serde_json::from_slice(&text).map_err(|error| broken(error.to_string()))?;
        if found.schema == SCHEMA { Ok(found) } else { Err(broken(format!("schema {}", found.schema))) }
    }

    /// Replaces the file; when this returns it is on the disk.
    pub(crate) fn write(&self, state: &StateDirectory) -> Result<(), StateFileError> {
        let path = Self::path(state);
        let text = serde_json::to_vec(self).expect("plain data");
        replace_file(&path, &text).map_err(|source| StateFileError::Io { path, what: "write", source })
    }

    /// Accepts `token` unless a higher one was seen.
    pub(crate) fn accept(&mut self, token: u64) -> Result<(), StateFileError> {
        if token < self.token {
            return Err(StateFileError::LowerToken { token, seen: self.token });
        }
        self.token = token;
        Ok(())
    }

    /// The instance of `release` that can be switched to: not one that is on its way out.
    pub(crate) fn usable(&self, release: &ReleaseId) -> Option<&StoredInstance> {
        self.instances.iter().find(|instance| {
            instance.release == *release && instance.role != Role::Draining && instance.process.is_alive()
        })
    }

    pub(crate) fn instance_mut(&mut self, number: u64) -> Option<&mut StoredInstance> {
        self.instances.iter_mut().find(|instance| instance.number == number)
    }

    /// Remembers an end; of each release the last one.
    pub(crate) fn remember_exit(&mut self, record: ExitRecord) {
        self.forget_exits(&record.release);
        self.exits.push(record);
        let surplus = self.exits.len().saturating_sub(EXITS_KEPT);
        self.exits.drain(..surplus);
    }

    pub(crate) fn forget_exits(&mut self, release: &ReleaseId) {
        self.exits.retain(|exit| exit.release != *release);
    }

    /// Accepts a token while no supervisor runs.
    pub(crate) async fn fence_offline(state: &StateDirectory, token: u64) -> Result<(), StateFileError> {
        Self::change_offline(state, token, |_| {}).await
    }

    /// Accepts a token while nothing runs, and from now on `release` is not meant to serve; none means any.
    pub(crate) async fn rest_offline(
        state: &StateDirectory,
        token: u64,
        release: Option<&ReleaseId>,
    ) -> Result<(), StateFileError> {
        Self::change_offline(state, token, |found| {
            if release.is_none() || found.serving.as_ref() == release {
                (found.serving, found.previous, found.switching) = (None, None, None);
                found.instances.clear();
            }
            found.instances.retain(|instance| release != Some(&instance.release));
        })
        .await
    }

    /// Accepts a token while no supervisor runs and changes what the next one begins with.
    pub(crate) async fn change_offline<T>(
        state: &StateDirectory,
        token: u64,
        change: impl FnOnce(&mut Self) -> T,
    ) -> Result<T, StateFileError> {
        let _lock = lock(state).await?;
        let mut found = Self::read(state)?;
        found.accept(token)?;
        found.write(state)?;
        let result = change(&mut found);
        found.write(state).map(|()| result)
    }
}

/// The lock that a supervisor holds all its life.
pub(crate) async fn lock(state: &StateDirectory) -> Result<FileLock, StateFileError> {
    let path = state.supervisor().join("lock");
    FileLock::acquire(&path, Duration::from_secs(5)).await.map_err(|source| StateFileError::Io {
        path,
        what: "lock",
        source,
    })
}

/// Now, as written in every record.
pub(crate) fn now() -> String {
    chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

/// Writes beside, flushes to the disk and renames, so that a reader sees the old or the new content.
fn replace_file(path: &Path, content: &[u8]) -> Result<(), IoError> {
    let beside = path.with_extension("new");
    let mut file = File::create(&beside)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    File::open(path.parent().expect("a file in a directory"))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state_directory() -> (tempfile::TempDir, StateDirectory) {
        let directory = tempfile::tempdir().unwrap();
        let state = StateDirectory::new(directory.path(), "local").unwrap();
        state.ensure().unwrap();
        (directory, state)
    }

    #[tokio::test]
    async fn lower_token_is_refused_and_the_highest_survives() {
        let (_directory, state) = state_directory();
        StoredState::fence_offline(&state, 7).await.unwrap();
        StoredState::fence_offline(&state, 7).await.unwrap();
        let refused = StoredState::fence_offline(&state, 6).await;
        assert!(matches!(refused, Err(StateFileError::LowerToken { token: 6, seen: 7 })));
        assert_eq!(StoredState::read(&state).unwrap().token, 7);
    }

    #[tokio::test]
    async fn only_what_is_withdrawn_is_not_meant_to_serve_any_more() {
        let (_directory, state) = state_directory();
        let release = |n: u32| -> ReleaseId { format!("0123456789ab.{n:08}").parse().unwrap() };
        let serving = StoredState { serving: Some(release(1)), ..StoredState::default() };
        serving.write(&state).unwrap();
        StoredState::rest_offline(&state, 1, Some(&release(2))).await.unwrap();
        assert_eq!(StoredState::read(&state).unwrap().serving, Some(release(1)));
        StoredState::rest_offline(&state, 2, Some(&release(1))).await.unwrap();
        assert_eq!(StoredState::read(&state).unwrap().serving, None);
        serving.write(&state).unwrap();
        StoredState::rest_offline(&state, 3, None).await.unwrap();
        let found = StoredState::read(&state).unwrap();
        assert_eq!((found.serving, found.token), (None, 3));
    }

    #[test]
    fn foreign_file_is_named_and_not_overwritten() {
        let (_directory, state) = state_directory();
        std::fs::write(StoredState::path(&state), "{\"schema\":1}").unwrap();
        assert!(StoredState::read(&state).unwrap_err().to_string().contains("state.json"));
    }

    #[test]
    fn only_the_last_end_of_a_release_is_remembered_and_only_a_few() {
        let mut state = StoredState::default();
        let release = |n: u32| -> ReleaseId { format!("0123456789ab.{n:08}").parse().unwrap() };
        let record = |n| ExitRecord { release: release(n), exit: Exit::Code(1), at: now(), lines: vec![] };
        (0..20).for_each(|n| state.remember_exit(record(n % 10)));
        assert_eq!((state.exits.len(), &state.exits.last().unwrap().release), (EXITS_KEPT, &release(9)));
    }
}
