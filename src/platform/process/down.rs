//! Stopping everything of an environment, and removing it.

use std::io::{Error as IoError, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use phases::engine::effects::EffectOutcome;
use phases::engine::failure::{Failure, FailureClass};

use super::postgres::{PostgresError, PrivatePostgres};
use super::{ProcessOptions, ProcessPlatform};
use crate::supervisor::protocol::Request;
use crate::supervisor::state::StoredState;

/// How long a supervisor may take to be gone after its last answer.
const GONE_PATIENCE: Duration = Duration::from_secs(5);

/// How long a process that cannot be asked may take to end. No new request reaches a release whose environment is to
/// be down, so it need not drain as for a successor.
const END_PATIENCE: Duration = Duration::from_secs(15);

/// Why an environment is not down.
#[derive(Debug, thiserror::Error)]
pub enum DownError {
    /// A release or its supervisor goes on.
    #[error("{}", .0.message)]
    Releases(Box<Failure>),
    /// The private PostgreSQL goes on.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// Something cannot be removed.
    #[error("cannot remove `{}`", path.display())]
    Remove {
        /// What.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: IoError,
    },
}

impl DownError {
    /// What kind of no it is.
    pub fn class(&self) -> FailureClass {
        match self {
            Self::Releases(failure) => failure.class,
            Self::Postgres(_) | Self::Remove { .. } => FailureClass::Failed,
        }
    }

    /// The next action.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Releases(failure) => failure.hint.clone(),
            Self::Postgres(error) => error.hint(),
            Self::Remove { .. } => None,
        }
    }
}

impl ProcessPlatform {
    /// Stops all releases, the supervisor and the private PostgreSQL. Data stay. Doing it again changes nothing.
    ///
    /// # Errors
    /// When something does not end, or a newer run owns the environment.
    pub async fn down(&self, token: u64) -> Result<(), DownError> {
        if !self.options.directory.path().exists() {
            return Ok(());
        }
        self.end_cut_off(token).await?;
        match self.ending_effect(Request::Shutdown { token }, "nothing runs").await {
            EffectOutcome::Done(_) => {}
            EffectOutcome::NotDone(failure) | EffectOutcome::Unknown(failure) => {
                return Err(DownError::Releases(Box::new(failure)));
            }
        }
        supervisor_is_gone(&self.options).await;
        PrivatePostgres::new(self.options.directory.clone()).stop().await?;
        Ok(())
    }

    /// Ends by its identity what nobody can reach any more: the supervisor lives and its socket was taken away.
    async fn end_cut_off(&self, token: u64) -> Result<(), DownError> {
        let failed =
            |message: String| DownError::Releases(Box::new(Failure::new(FailureClass::Failed, message)));
        let socket =
            self.options.directory.sockets().map_err(|error| failed(error.to_string()))?.supervisor();
        let state = self.supervised().stored().map_err(|error| failed(error.to_string()))?;
        let supervisor = state.supervisor.filter(|supervisor| supervisor.is_alive());
        let Some(supervisor) = supervisor.filter(|_| state.token <= token && !socket.exists()) else {
            return Ok(());
        };
        // First, or it would start again what ends.
        supervisor.end(END_PATIENCE).await.map_err(|error| failed(error.to_string()))?;
        let ends = state.instances.iter().map(|instance| instance.process.end(END_PATIENCE));
        for end in futures_util::future::join_all(ends).await {
            end.map_err(|error| failed(error.to_string()))?;
        }
        Ok(())
    }

    /// Stops everything and removes it for good: data, releases, logs, ledger, secrets.
    ///
    /// # Errors
    /// As [`Self::down`], and when something cannot be removed.
    pub async fn purge(&self, token: u64) -> Result<(), DownError> {
        self.down(token).await?;
        PrivatePostgres::new(self.options.directory.clone()).remove().await?;
        if let Ok(sockets) = self.options.directory.sockets() {
            remove(sockets.path())?;
        }
        // Up to here under the lease. It goes with its directory, so that is moved away whole: whoever deploys from
        // now on makes a new one, which this removal does not touch.
        let directory = &self.options.directory;
        Doomed::set_aside(directory.root(), directory.environment())?;
        Doomed::remove_all(directory.root(), directory.environment())
    }
}

/// What a purge has moved away and not removed yet: `.<environment>.removed-<number>`, beside the environment.
struct Doomed;

impl Doomed {
    fn prefix(environment: &str) -> String {
        // No environment has a dot in its name.
        format!(".{environment}.removed-")
    }

    /// Moves the environment away; none is fine.
    fn set_aside(root: &Path, environment: &str) -> Result<(), DownError> {
        let path = root.join(environment);
        let aside = root.join(format!("{}{:016x}", Self::prefix(environment), rand::random::<u64>()));
        match std::fs::rename(&path, aside) {
            Err(source) if source.kind() != ErrorKind::NotFound => Err(DownError::Remove { path, source }),
            _ => Ok(()),
        }
    }

    /// Removes all of it, also what a killed purge left.
    fn remove_all(root: &Path, environment: &str) -> Result<(), DownError> {
        let prefix = Self::prefix(environment);
        let Ok(entries) = std::fs::read_dir(root) else { return Ok(()) };
        let is_doomed = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(prefix.as_bytes());
        entries
            .flatten()
            .filter(|entry| is_doomed(&entry.file_name()))
            .try_for_each(|entry| remove(&entry.path()))
    }
}

async fn supervisor_is_gone(options: &ProcessOptions) {
    let supervisor = StoredState::read(&options.directory).ok().and_then(|state| state.supervisor);
    if let Some(supervisor) = supervisor {
        supervisor.is_over_within(GONE_PATIENCE).await;
    }
}

fn remove(path: &Path) -> Result<(), DownError> {
    match std::fs::remove_dir_all(path) {
        Err(source) if source.kind() != ErrorKind::NotFound => {
            Err(DownError::Remove { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_after_the_move_is_not_removed() {
        let root = tempfile::tempdir().unwrap();
        let environment = root.path().join("local");
        let make = |name: &str| {
            std::fs::create_dir_all(environment.join("ledger")).unwrap();
            std::fs::write(environment.join(name), "").unwrap();
        };
        make("old");
        // As a purge that was killed, and that of a namesake, left it.
        std::fs::create_dir(root.path().join(".local.removed-1")).unwrap();
        std::fs::create_dir(root.path().join(".local2.removed-1")).unwrap();
        Doomed::set_aside(root.path(), "local").unwrap();
        assert!(!environment.exists());
        make("new");
        Doomed::remove_all(root.path(), "local").unwrap();
        let mut left: Vec<_> =
            std::fs::read_dir(root.path()).unwrap().flatten().map(|e| e.file_name()).collect();
        left.sort();
        assert_eq!(left, [".local2.removed-1", "local"]);
        assert!(environment.join("new").exists() && !environment.join("old").exists());
        Doomed::set_aside(root.path(), "nothing").unwrap();
        Doomed::remove_all(&root.path().join("nowhere"), "local").unwrap();
    }

    #[test]
    fn what_cannot_be_moved_is_named() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = Doomed::set_aside(&file, "local").unwrap_err();
        assert!(error.to_string().contains("file/local"), "{error}");
    }
}
