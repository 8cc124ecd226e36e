//! Everything that can stop a run, as values: what happened, which exit it means, what to do next.
//!
//! Length: one variant per way to stop, each with its values and its next action.

mod failure;

use sqlx::postgres::PgDatabaseError;

pub use failure::SqlFailure;

use crate::drift::Drift;
use crate::events::Backend;
use crate::rollback::Refusal;

/// What an error means to the caller; each has its own exit code there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Refused before any change (10).
    Refused,
    /// A newer run has taken over; nothing of ours was changed (12).
    FenceLost,
    /// Failed; the step in hand was undone, unless [`Error::may_have_happened`]; finished migrations stay (20).
    Failed,
}

/// Why a run stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection string is not one.
    #[error("the database address cannot be read: {reason}")]
    Address {
        /// What is wrong with it; never a part of the address itself.
        reason: String,
    },
    /// No session could be opened.
    #[error("cannot connect to database `{database}`")]
    Connect {
        /// The database's name.
        database: String,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// Somebody else migrates this database and did not finish in time.
    #[error("the migration lock of database `{database}` is held by {}", named(.holder.as_ref()))]
    LockHeld {
        /// The database's name.
        database: String,
        /// Who holds it.
        holder: Option<Backend>,
    },
    /// The history in the database and the files disagree.
    #[error("files and database disagree:\n{}", listed(.0))]
    Drift(Vec<Drift>),
    /// The version asked for is not in the files.
    #[error("there is no migration `{0}` in the files")]
    UnknownVersion(i64),
    /// A revert was refused.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// The database has seen a newer run.
    #[error("token `{token}` is older than `{newest}`, the newest this database has seen")]
    FenceLost {
        /// Ours.
        token: i64,
        /// The one in the database.
        newest: i64,
    },
    /// A statement of a migration failed.
    #[error("{0}")]
    Statement(Box<SqlFailure>),
    /// A verify file failed; its migration was undone, or, without a transaction, is not recorded as applied.
    #[error("verification failed: {0}")]
    Verify(Box<SqlFailure>),
    /// Locks could not be had before the deadline.
    #[error("migration `{version}` could not get its locks in {waited_ms} ms, in the way: {}", crowd(.blockers))]
    Blocked {
        /// The migration.
        version: i64,
        /// How long it was tried.
        waited_ms: u64,
        /// Who was in the way when we last looked.
        blockers: Vec<Backend>,
        /// The last refusal of the server.
        #[source]
        source: Box<Error>,
    },
    /// An index exists but is not valid.
    #[error("index `{index}`, made by `{file}` line {line}, is invalid")]
    InvalidIndex {
        /// The index.
        index: String,
        /// The file.
        file: String,
        /// The line.
        line: usize,
    },
    /// A `DO` or `CALL` outside a transaction began and did not end: what it committed on its way stays.
    #[error("`{file}` line {line} began and did not end; what it committed on its way is there")]
    HalfRun {
        /// The file.
        file: String,
        /// The line.
        line: usize,
        /// Its row in `crmctl.migration_step`: version, direction, ordinal.
        step: (i64, &'static str, i32),
        /// What ended it, when this run saw it.
        #[source]
        source: Option<Box<Error>>,
    },
    /// A migration ended the transaction it ran in.
    #[error("`{file}` ended the transaction it ran in")]
    TransactionEnded {
        /// The file.
        file: String,
    },
    /// The server does not count deleted rows, so a loss could go unseen.
    #[error("the server does not count changed rows (`track_counts` is off), so a loss could go unseen")]
    NotCounting,
    /// The history cannot be read or made; nothing was changed.
    #[error("cannot {doing}")]
    Unready {
        /// What was tried.
        doing: &'static str,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// The connection was lost at a moment at which the step in hand may have happened all the same.
    #[error("cannot {doing}; whether the step in hand happened is not known")]
    InDoubt {
        /// What was tried.
        doing: String,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// A query of the runner itself failed.
    #[error("cannot {doing}")]
    Database {
        /// What it was for.
        doing: &'static str,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
}

impl Error {
    /// What this means to the caller.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Address { .. }
            | Self::Connect { .. }
            | Self::LockHeld { .. }
            | Self::Drift(_)
            | Self::UnknownVersion(_)
            | Self::Refused(_)
            | Self::NotCounting
            | Self::Unready { .. } => Kind::Refused,
            Self::FenceLost { .. } => Kind::FenceLost,
            _ => Kind::Failed,
        }
    }

    /// The step in hand may be done, or be done by the server any moment now: only a look at the database
    /// ([`crate::status`]) tells. After every other error it is not done.
    #[must_use]
    pub fn may_have_happened(&self) -> bool {
        matches!(self, Self::InDoubt { .. })
    }

    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::InDoubt { .. } => Some(
                "look with `crmctl migrate status`; starting again goes on from what is there".to_owned(),
            ),
            Self::LockHeld { .. } => Some("wait for it, or end that session if its run is dead".to_owned()),
            Self::Drift(drift) => {
                let hints: Vec<String> = drift.iter().map(|d| d.hint.clone()).collect();
                Some(hints.join("\n"))
            }
            Self::Refused(refusal) => refusal.hint(),
            Self::FenceLost { .. } => {
                Some("a newer run owns this database; start again from its result".to_owned())
            }
            Self::Statement(failure) | Self::Verify(failure) => failure.hint(),
            Self::Blocked { blockers, .. } => {
                blockers.first().map(|b| format!("end or wait for pid {}, then apply again", b.pid))
            }
            Self::InvalidIndex { index, .. } => {
                Some(format!("run `DROP INDEX CONCURRENTLY {index}`, mend what made it fail and apply again"))
            }
            Self::HalfRun { step: (version, direction, ordinal), .. } => {
                let row = format!("version {version}, direction {direction}, ordinal {ordinal}");
                // The way back is stored and cannot be changed.
                let edit = "change the statement so that it goes on from there, or ";
                Some(format!(
                    "look what it has done; then {}delete its row from `crmctl.migration_step` ({row}) if it may run \
                     again, or set its `finished_at` if it is done; then start again",
                    if *direction == "up" { edit } else { "" }
                ))
            }
            Self::TransactionEnded { .. } => {
                Some("begin the file with `-- no-transaction` if it must end transactions".to_owned())
            }
            Self::Database { .. } | Self::Unready { .. } if self.sqlstate() == Some("42501") => {
                Some("connect as the role that owns the database and its tables".to_owned())
            }
            Self::NotCounting => Some("turn `track_counts` on, as it is by default".to_owned()),
            _ => None,
        }
    }

    /// Nothing came back at all: no word of the server, whatever it says.
    pub(crate) fn is_silence(&self) -> bool {
        matches!(
            self,
            Self::Database { source: sqlx::Error::Io(_), .. }
                | Self::Connect { source: sqlx::Error::Io(_), .. }
        )
    }

    /// The same error, met before anything was changed.
    pub(crate) fn before_change(self) -> Self {
        match self {
            Self::Database { doing, source } => Self::Unready { doing, source },
            other => other,
        }
    }

    /// The same error, met when what it was about had been asked for already.
    pub(crate) fn after_change(self) -> Self {
        match self {
            Self::Database { doing, source } if lost(&source) => {
                Self::InDoubt { doing: doing.to_owned(), source }
            }
            // Outside a transaction nobody but the server knows how far it came.
            Self::Statement(failure) if failure.sqlstate.as_deref().is_none_or(ends_session) => {
                Self::InDoubt {
                    doing: format!("finish `{}` line {}", failure.file, failure.line),
                    source: sqlx::Error::Protocol(failure.message),
                }
            }
            other => other,
        }
    }

    /// The SQLSTATE under this error, if a server gave one.
    pub(crate) fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Statement(failure) | Self::Verify(failure) => failure.sqlstate.as_deref(),
            Self::Database { source, .. } | Self::Unready { source, .. } | Self::Connect { source, .. } => {
                source.as_database_error()?.try_downcast_ref::<PgDatabaseError>().map(PgDatabaseError::code)
            }
            _ => None,
        }
    }

    /// Trying again may help: lock not available, deadlock, serialization failure.
    pub(crate) fn transient(&self) -> bool {
        matches!(self.sqlstate(), Some("55P03" | "40P01" | "40001"))
    }
}

/// Turns an error of our own queries into one that says what they were for.
pub(crate) fn doing(doing: &'static str) -> impl Fn(sqlx::Error) -> Error {
    move |source| Error::Database { doing, source }
}

/// The server did not answer, and nothing was changed.
pub(crate) fn silent(doing: &'static str) -> Error {
    Error::Unready { doing, source: sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()) }
}

/// Turns an error of a `COMMIT` into one that says whether it may have happened.
pub(crate) fn committing(what: &'static str) -> impl Fn(sqlx::Error) -> Error {
    move |source| doing(what)(source).after_change()
}

/// The session is gone, and with it the answer: anything but a word of the server that leaves it open.
fn lost(error: &sqlx::Error) -> bool {
    let server = error.as_database_error().and_then(|e| e.try_downcast_ref::<PgDatabaseError>());
    server.is_none_or(|error| ends_session(error.code()))
}

/// Source: appendix A of PostgreSQL's manual: class 08, and the shutdowns of class 57.
fn ends_session(sqlstate: &str) -> bool {
    sqlstate.starts_with("08") || sqlstate.starts_with("57P")
}

fn named(holder: Option<&Backend>) -> String {
    holder.map_or_else(|| "a session that is gone by now".to_owned(), Backend::to_string)
}

fn crowd(blockers: &[Backend]) -> String {
    if blockers.is_empty() {
        return "nobody we could see".to_owned();
    }
    blockers.iter().map(Backend::to_string).collect::<Vec<_>>().join(", ")
}

fn listed(drift: &[Drift]) -> String {
    drift.iter().map(|d| d.message.clone()).collect::<Vec<_>>().join("\n")
}
