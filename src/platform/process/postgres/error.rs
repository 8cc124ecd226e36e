//! Why the private PostgreSQL is not there, with the next action.

use std::io::Error as IoError;
use std::path::PathBuf;

use crate::state_directory::StateDirectoryError;

/// Why the private PostgreSQL cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// The programs are not installed.
    #[error("the PostgreSQL server programs (`postgres`, `initdb`) were not found in {}", searched.join(", "))]
    BinariesMissing {
        /// Where it was looked.
        searched: Vec<String>,
    },
    /// The data are of a version that is not installed any more.
    #[error("the data are of PostgreSQL {data}, the programs in `{}` are {programs}", path.display())]
    VersionMismatch {
        /// Directory of the programs.
        path: PathBuf,
        /// Version of the data.
        data: u32,
        /// Version of the programs.
        programs: String,
    },
    /// What stands in the place of the data is no whole database.
    #[error("the database in `{}` is damaged: {reason}", path.display())]
    Damaged {
        /// Data directory.
        path: PathBuf,
        /// How it shows.
        reason: String,
    },
    /// The kernel shows nothing of the process that may be the server.
    #[error("process {pid}, which `{}` names, cannot be looked at", path.display())]
    Hidden {
        /// Its number.
        pid: i32,
        /// The pid file.
        path: PathBuf,
    },
    /// PostgreSQL refuses to run as root and there is nobody else.
    #[error("PostgreSQL refuses root, and there is no user `postgres` or `nobody` to run it as")]
    NoUser,
    /// The unprivileged user cannot reach its data.
    #[error("user `{user}`, which PostgreSQL runs as, cannot enter `{}`", path.display())]
    CannotEnter {
        /// That user.
        user: String,
        /// First directory on the way that is closed.
        path: PathBuf,
    },
    /// `initdb` failed.
    #[error("`initdb` failed: {}", output.last().map_or("no output", String::as_str))]
    InitFailed {
        /// Its last lines.
        output: Vec<String>,
    },
    /// The server ended or did not answer in time.
    #[error("PostgreSQL did not come up: {reason}")]
    StartFailed {
        /// How it failed.
        reason: String,
        /// Last lines of its log.
        log: Vec<String>,
        /// The log.
        path: PathBuf,
    },
    /// Something did not come to an end in time.
    #[error("{what} did not end within {seconds} s")]
    TimedOut {
        /// What was waited for.
        what: &'static str,
        /// How long.
        seconds: u64,
    },
    /// It knows another password than we do.
    #[error("PostgreSQL refuses the password of `{role}`")]
    PasswordRefused {
        /// Whose.
        role: String,
    },
    /// It does not end.
    #[error("PostgreSQL (process {pid}) does not end")]
    StopFailed {
        /// Its first process.
        pid: i32,
    },
    /// A file could not be used.
    #[error("cannot {what} `{}`", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// The verb that failed.
        what: &'static str,
        /// What the system said.
        #[source]
        source: IoError,
    },
    /// The state directory cannot be used.
    #[error(transparent)]
    State(#[from] StateDirectoryError),
    /// It runs and refuses.
    #[error("PostgreSQL refused: {0}")]
    Database(#[from] sqlx::Error),
}

impl PostgresError {
    /// The next action.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::BinariesMissing { .. } => Some(
                "install package `postgresql` (Debian, Ubuntu: `apt-get install postgresql`; \
                 Fedora: `dnf install postgresql-server`)"
                    .into(),
            ),
            Self::VersionMismatch { data, .. } => Some(format!(
                "install package `postgresql-{data}`, or remove the data with `crmctl down … --purge`"
            )),
            Self::Damaged { .. } => Some(
                "bring the data back from a copy, or remove them for good with `crmctl down … --purge`"
                    .into(),
            ),
            Self::Hidden { pid, path } => Some(format!(
                "mount `/proc` without `hidepid`; when process {pid} is no PostgreSQL, remove `{}`",
                path.display()
            )),
            Self::NoUser => Some("make a system user `postgres`".into()),
            Self::CannotEnter { path, .. } => {
                Some(format!("run `chmod o+x {}` or set `CRMCTL_STATE_DIR`", path.display()))
            }
            Self::StartFailed { path, .. } => Some(format!("read `{}`", path.display())),
            Self::PasswordRefused { .. } => Some(
                "bring back the secrets file that the data were made with, or remove the data with \
                 `crmctl down … --purge`"
                    .into(),
            ),
            Self::TimedOut { .. } => Some("look at the load of this machine, then run the same again".into()),
            Self::State(error) => error.hint(),
            Self::InitFailed { .. } | Self::StopFailed { .. } | Self::Io { .. } | Self::Database(_) => None,
        }
    }

    /// Last log or output lines, newest last.
    pub fn detail(&self) -> &[String] {
        match self {
            Self::InitFailed { output } => output,
            Self::StartFailed { log, .. } => log,
            _ => &[],
        }
    }
}
