//! Everything that can stop a run, as values: what happened, which exit it means, what to do next.

use sqlx::postgres::{PgDatabaseError, PgErrorPosition};

use crate::drift::Drift;
use crate::events::Backend;
use crate::rollback::Refusal;
use crate::sql::{Script, Statement, line_at};

/// What an error means to the caller; each has its own exit code there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Refused before any change (10).
    Refused,
    /// A newer run has taken over; nothing of ours was changed (12).
    FenceLost,
    /// Failed; the step in hand was undone, finished migrations stay (20).
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

    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
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
            Self::HalfRun { .. } => Some(
                "look what it has done, then change the statement so that it goes on from there (a comment \
                 in it is enough when it may run again as it is) and start again"
                    .to_owned(),
            ),
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

    /// The same error, met before anything was changed.
    pub(crate) fn before_change(self) -> Self {
        match self {
            Self::Database { doing, source } => Self::Unready { doing, source },
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

/// A statement the server refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlFailure {
    /// The file, relative to the migration folder.
    pub file: String,
    /// The line the server points at, else the line on which the statement starts.
    pub line: usize,
    /// The server's code, `None` when the connection broke.
    pub sqlstate: Option<String>,
    /// The server's words.
    pub message: String,
    /// The server's detail. May quote values of rows: not for logs.
    pub detail: Option<String>,
    /// The server's hint.
    pub server_hint: Option<String>,
}

impl SqlFailure {
    /// What `error` says about `statement` of `script`.
    pub(crate) fn new(script: &Script, statement: &Statement, error: &sqlx::Error) -> Self {
        let server = error.as_database_error().and_then(|e| e.try_downcast_ref::<PgDatabaseError>());
        let line = match server.and_then(PgDatabaseError::position) {
            Some(PgErrorPosition::Original(position)) => {
                let text: String = statement.sql.chars().take(position.saturating_sub(1)).collect();
                statement.line + line_at(&text, text.len()) - 1
            }
            _ => statement.line,
        };
        Self {
            file: script.file.clone(),
            line,
            sqlstate: server.map(|e| e.code().to_owned()),
            message: server.map_or_else(|| error.to_string(), |e| e.message().to_owned()),
            detail: server.and_then(PgDatabaseError::detail).map(str::to_owned),
            server_hint: server.and_then(PgDatabaseError::hint).map(str::to_owned),
        }
    }

    fn hint(&self) -> Option<String> {
        match self.sqlstate.as_deref() {
            Some("57014") => Some(
                "split the statement, or give it time with `-- crmctl:statement-timeout 30m` at the top of the up file"
                    .to_owned(),
            ),
            Some("25001") => Some("begin the file with `-- no-transaction`".to_owned()),
            _ => self.server_hint.clone(),
        }
    }
}

impl std::fmt::Display for SqlFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` line {}: {}", self.file, self.line, self.message)?;
        match &self.sqlstate {
            Some(code) => write!(f, " (SQLSTATE {code})"),
            None => Ok(()),
        }
    }
}

/// Turns an error of our own queries into one that says what they were for.
pub(crate) fn doing(doing: &'static str) -> impl Fn(sqlx::Error) -> Error {
    move |source| Error::Database { doing, source }
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
