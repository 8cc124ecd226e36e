//! Stopping everything of an environment, and removing it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use phases::engine::effects::EffectOutcome;
use phases::engine::failure::Failure;

use super::postgres::{PostgresError, PrivatePostgres};
use super::{ProcessOptions, ProcessPlatform};
use crate::supervisor::protocol::Request;
use crate::supervisor::state::StoredState;

/// How long a supervisor may take to be gone after its last answer.
const GONE_PATIENCE: Duration = Duration::from_secs(5);

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
        source: std::io::Error,
    },
}

impl DownError {
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
        remove(&self.options.directory.path())
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
