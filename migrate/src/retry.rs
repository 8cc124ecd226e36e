//! How long to try: timeouts inside a transaction, pauses between attempts, the deadline over all of them.

use std::time::{Duration, Instant};

use sqlx::postgres::PgConnection;

use crate::error::{Error, doing};
use crate::events::{Event, Observer};
use crate::lock::{jittered, millis};
use crate::set::Migration;
use crate::watch::Seen;

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How long a run waits for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For the migration lock of the database.
    pub migration_lock: Duration,
    /// For one lock of one statement: what a client queues behind us at most.
    pub lock: Duration,
    /// For one statement, unless its file says `-- crmctl:statement-timeout`. Concurrent index work has no limit.
    pub statement: Duration,
    /// For all attempts at one migration that fail for want of a lock.
    pub attempts: Duration,
    /// For a sign of life of the server, which is asked beside the work. A long statement is no silence.
    pub silence: Duration,
}

impl Default for Patience {
    /// Two minutes for the migration lock, 500 ms for a lock, ten minutes for a statement, five minutes of
    /// attempts, half a minute of silence.
    fn default() -> Self {
        Self {
            migration_lock: Duration::from_secs(120),
            lock: Duration::from_millis(500),
            statement: Duration::from_secs(600),
            attempts: Duration::from_secs(300),
            silence: Duration::from_secs(30),
        }
    }
}

impl Patience {
    /// The same for `migration`, whose header may give its statements another time.
    pub(crate) fn of(self, migration: Option<&Migration>) -> Self {
        let statement = migration.and_then(|migration| migration.statement_timeout);
        Self { statement: statement.unwrap_or(self.statement), ..self }
    }

    /// Sets the timeouts of the transaction in progress. A file may have changed them, and a retry is a new
    /// transaction, so this is said again in each.
    pub(crate) async fn set_local(&self, conn: &mut PgConnection) -> Result<(), Error> {
        self.set(conn, self.lock, self.statement, true).await
    }

    /// Sets the timeouts of the session, for statements that run outside a transaction.
    pub(crate) async fn set_session(&self, conn: &mut PgConnection, lock: Duration) -> Result<(), Error> {
        self.set(conn, lock, self.statement, false).await
    }

    /// Sets the timeouts of the session for index work that lets clients through: it takes as long as the table
    /// is large, and one that is cut off starts over.
    pub(crate) async fn set_unhurried(&self, conn: &mut PgConnection, lock: Duration) -> Result<(), Error> {
        self.set(conn, lock, Duration::MAX, false).await
    }

    async fn set(
        &self,
        conn: &mut PgConnection,
        lock: Duration,
        statement: Duration,
        local: bool,
    ) -> Result<(), Error> {
        // Zero means no limit at all, so the shortest is one.
        let text =
            |limit: Duration| if limit == Duration::MAX { 0 } else { millis(limit).max(1) }.to_string();
        sqlx::query("SELECT set_config('lock_timeout', $1, $3), set_config('statement_timeout', $2, $3)")
            .bind(text(lock))
            .bind(text(statement))
            .bind(local)
            .execute(conn)
            .await
            .map_err(doing("set the timeouts"))?;
        Ok(())
    }
}

/// The attempts at one migration.
pub(crate) struct Attempts<'a> {
    version: i64,
    started: Instant,
    deadline: Duration,
    pause: Duration,
    count: u32,
    seen: &'a Seen,
    observer: &'a dyn Observer,
}

impl<'a> Attempts<'a> {
    pub(crate) fn new(version: i64, patience: &Patience, seen: &'a Seen, observer: &'a dyn Observer) -> Self {
        seen.forget();
        Self {
            version,
            started: Instant::now(),
            deadline: patience.attempts,
            pause: FIRST_PAUSE,
            count: 1,
            seen,
            observer,
        }
    }

    /// Number of the attempt in hand, from 1.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// What is left before the deadline.
    pub(crate) fn left(&self) -> Duration {
        self.deadline.saturating_sub(self.started.elapsed())
    }

    /// Pauses before the next attempt, or gives `error` back when trying again is no use or too late.
    pub(crate) async fn after(&mut self, error: Error) -> Result<(), Error> {
        if !error.transient() {
            return Err(error);
        }
        let waited = self.started.elapsed();
        let pause = jittered(self.pause);
        if waited + pause >= self.deadline {
            return Err(Error::Blocked {
                version: self.version,
                waited_ms: millis(waited),
                blockers: self.seen.blockers(),
                source: Box::new(error),
            });
        }
        self.observer.observe(Event::Retrying {
            version: self.version,
            sqlstate: error.sqlstate().unwrap_or_default().to_owned(),
            attempt: self.count,
            pause_ms: millis(pause),
        });
        // Who was in the way of this attempt need not be in the way of the next.
        self.seen.forget();
        tokio::time::sleep(pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        self.count += 1;
        Ok(())
    }
}
