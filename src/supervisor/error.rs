//! Why a supervisor cannot run, and the note it leaves for whoever started it.

use std::io::{Error as IoError, ErrorKind};
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::listener::PortHolder;
use super::state::StateFileError;
use crate::state_directory::{StateDirectory, StateDirectoryError};

/// Why a supervisor cannot run.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// There is one already.
    #[error("another supervisor runs")]
    AlreadyRunning,
    /// Somebody else listens there.
    #[error("address `{address}` is taken{}", holder.as_ref().map(|h| format!(" by {h}")).unwrap_or_default())]
    PortTaken {
        /// Public address.
        address: SocketAddr,
        /// Who has it, when that can be seen.
        holder: Option<PortHolder>,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on `{address}`")]
    Listen {
        /// Public address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: IoError,
    },
    /// The state directory cannot be used.
    #[error(transparent)]
    StateDirectory(#[from] StateDirectoryError),
    /// The state file cannot be used.
    #[error(transparent)]
    StateFile(#[from] StateFileError),
    /// The system refused something else.
    #[error("the system refused: {0}")]
    Io(#[from] IoError),
}

impl StateFileError {
    /// The next action, where it is not plain.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Io { .. } => Some("free space or mend the permissions, then run it again"),
            Self::Broken { .. } | Self::LowerToken { .. } => None,
        }
    }
}

impl SupervisorError {
    pub(super) fn from_lock(error: StateFileError) -> Self {
        match error {
            StateFileError::Io { source, .. } if source.kind() == ErrorKind::TimedOut => Self::AlreadyRunning,
            other => other.into(),
        }
    }

    /// The next action.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::PortTaken { holder: Some(holder), .. } => {
                Some(format!("stop process {} or choose another address with `--port`", holder.pid))
            }
            Self::PortTaken { .. } => Some("choose another address with `--port`".into()),
            Self::Listen { source, .. } if source.kind() == ErrorKind::PermissionDenied => {
                Some("choose a port from 1024 on with `--port`".into())
            }
            Self::StateDirectory(error) => error.hint(),
            Self::StateFile(StateFileError::Broken { path, .. }) => {
                Some(format!("run `crmctl down`, then remove `{}`", path.display()))
            }
            _ => None,
        }
    }
}

/// What a supervisor that could not run leaves in `supervisor/failure.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Failure {
    schema: u32,
    /// Number of its process.
    pub(crate) pid: u32,
    /// Somebody else was faster: what is wanted is there.
    pub(crate) already_running: bool,
    /// One sentence.
    pub(crate) message: String,
    /// The next action.
    pub(crate) hint: Option<String>,
}

impl Failure {
    pub(super) fn of(error: &SupervisorError) -> Self {
        let cause = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
        Self {
            schema: 1,
            pid: std::process::id(),
            already_running: matches!(error, SupervisorError::AlreadyRunning),
            message: format!("{error}{cause}"),
            hint: error.hint(),
        }
    }

    fn path(state: &StateDirectory) -> PathBuf {
        state.supervisor().join("failure.json")
    }

    pub(super) fn leave(&self, state: &StateDirectory) {
        let text = serde_json::to_vec(self).expect("plain data");
        if let Err(error) = std::fs::write(Self::path(state), text) {
            tracing::error!(%error, "cannot leave the failure for the caller");
        }
    }

    /// The note that process `pid` left.
    pub(crate) fn left_by(pid: u32, state: &StateDirectory) -> Option<Self> {
        let text = std::fs::read(Self::path(state)).ok()?;
        serde_json::from_slice(&text).ok().filter(|failure: &Self| failure.pid == pid)
    }
}
