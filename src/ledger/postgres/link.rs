//! A kept session that asks one question at a time and says what the answer is worth. Knows no question.

use std::time::Duration;

use phases::engine::ledger::LedgerError;
use sqlx::postgres::{PgConnection, PgDatabaseError, PgSeverity};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::error::Elapsed;

use super::server::{Server, said};

/// What is known of a statement that was sent.
#[derive(Debug)]
pub(super) enum Answer<T> {
    /// It is done, durably; `None` where there are no tables.
    Done(Option<T>),
    /// It is not done and will not be.
    NotDone(LedgerError),
    /// The session broke, or the server fell silent: it may be done, or be done yet. Only a look tells.
    Unknown(LedgerError),
}

impl<T> Answer<T> {
    /// What was answered, for who does not try again.
    pub(super) fn done(self) -> Result<Option<T>, LedgerError> {
        match self {
            Self::Done(answer) => Ok(answer),
            Self::NotDone(error) | Self::Unknown(error) => Err(error),
        }
    }
}

/// One session, opened when it is needed and again when it broke.
pub(super) struct Link {
    server: Server,
    role: &'static str,
    patience: Duration,
    kept: Mutex<Option<PgConnection>>,
}

impl Link {
    /// A session named `role`, none of whose questions takes longer than `patience`.
    pub(super) fn new(server: Server, role: &'static str, patience: Duration) -> Self {
        Self { server, role, patience, kept: Mutex::default() }
    }

    /// The session, for one question; `None` where there are no tables. A question that is dropped before its answer takes
    /// the session with it, so that no answer is ever taken for that of another question.
    pub(super) async fn open(&self) -> Result<Option<Turn<'_>>, LedgerError> {
        let mut kept = self.kept.lock().await;
        let session = match kept.take() {
            Some(session) => Some(session),
            None => self.server.open(self.role, self.patience).await?,
        };
        Ok(session.map(|session| Turn { link: self, kept, session }))
    }
}

/// One question's turn at a session.
pub(super) struct Turn<'a> {
    link: &'a Link,
    kept: MutexGuard<'a, Option<PgConnection>>,
    session: PgConnection,
}

impl Turn<'_> {
    /// What is asked, and for how long.
    pub(super) fn session(&mut self) -> (&mut PgConnection, Duration) {
        (&mut self.session, self.link.patience)
    }

    /// What its answer is worth. The session is kept unless it broke.
    pub(super) fn judge<T>(mut self, answer: Result<Result<T, sqlx::Error>, Elapsed>) -> Answer<T> {
        let place = self.link.server.place();
        let broken = |reason: String| LedgerError::Storage(format!("{place}: {reason}"));
        match answer {
            Ok(Ok(answer)) => {
                *self.kept = Some(self.session);
                Answer::Done(Some(answer))
            }
            Ok(Err(error)) if is_refusal(&error) => {
                *self.kept = Some(self.session);
                Answer::NotDone(broken(said(&error)))
            }
            Ok(Err(error)) => Answer::Unknown(broken(said(&error))),
            Err(_) => Answer::Unknown(broken(format!("no answer within {} s", self.link.patience.as_secs()))),
        }
    }
}

/// Asks a link one question: `ask!(link, session => question(session))`.
macro_rules! ask {
    ($link:expr, $session:ident => $question:expr) => {
        match $link.open().await {
            Ok(Some(mut turn)) => {
                let ($session, patience) = turn.session();
                let answer = tokio::time::timeout(patience, $question).await;
                turn.judge(answer)
            }
            Ok(None) => $crate::ledger::postgres::link::Answer::Done(None),
            Err(error) => $crate::ledger::postgres::link::Answer::NotDone(error),
        }
    };
}

/// Asks what may be asked twice once more when the first answer was lost: the session may have broken long before.
macro_rules! ask_twice {
    ($link:expr, $session:ident => $question:expr) => {
        match $crate::ledger::postgres::link::ask!($link, $session => $question) {
            $crate::ledger::postgres::link::Answer::Unknown(_) => {
                $crate::ledger::postgres::link::ask!($link, $session => $question)
            }
            answer => answer,
        }
    };
}

pub(super) use {ask, ask_twice};

/// The server undid the statement and goes on with the session. One that ends the session may have finished the
/// statement before (an administrator's command can come between a commit and its answer).
fn is_refusal(error: &sqlx::Error) -> bool {
    let server = error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
    server.is_some_and(|error| error.severity() == PgSeverity::Error)
}
