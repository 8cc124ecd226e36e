//! A statement that failed: where in which file, and what the server says about it.

use sqlx::postgres::{PgDatabaseError, PgErrorPosition};

use crate::sql::{Script, Statement, line_at};

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

    pub(super) fn hint(&self) -> Option<String> {
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
