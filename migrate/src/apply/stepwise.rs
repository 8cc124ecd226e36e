//! A migration without a transaction around it, statement by statement, with a journal: a statement that can
//! run in a transaction shares one with its journal row and so runs exactly once; the others (`CREATE INDEX
//! CONCURRENTLY`, `VACUUM`, …) are begun, run and seen to be done.

use std::time::{Duration, Instant};

use sqlx::Connection;
use sqlx::postgres::PgConnection;

use super::{Run, execute, verify};
use crate::error::{Error, committing, doing};
use crate::events::Event;
use crate::history::{self, History, Writer};
use crate::objects::Picture;
use crate::retry::{Attempts, Patience};
use crate::session::reset;
use crate::set::Migration;
use crate::sql::{ConcurrentIndex, Script, Statement};

/// One attempt; what an earlier one finished is not run again.
pub(super) async fn attempt(
    run: &mut Run<'_>,
    conn: &mut PgConnection,
    migration: &Migration,
    attempts: &Attempts<'_>,
) -> Result<(), Error> {
    let started = Instant::now();
    let version = migration.version;
    let history = History::read(conn).await?;
    if !history.unfinished(version) {
        let mut transaction = conn.begin().await.map_err(doing("begin a transaction"))?;
        run.patience.set_local(&mut transaction).await?;
        history::fence(&mut transaction, run.writer.token).await?;
        history::started(&mut transaction, run.writer, migration).await?;
        transaction.commit().await.map_err(committing("record that the migration began"))?;
    }
    run.picture = None;
    let journal = Journal { version, direction: "up", writer: run.writer, patience: &run.patience };
    let next =
        steps(conn, &journal, &migration.up, attempts.left(), &|event| run.observer.observe(event)).await;
    // What a file set for the session must not reach the verification, nor the next attempt.
    let clean = reset(conn).await;
    next.and(clean.map_err(Error::after_change))?;
    // Its statements have been run: from here on a lost session leaves a doubt, never a "nothing happened".
    finish(run, conn, migration, started).await.map_err(Error::after_change)
}

/// Verifies what the statements made and records the migration.
async fn finish(
    run: &Run<'_>,
    conn: &mut PgConnection,
    migration: &Migration,
    started: Instant,
) -> Result<(), Error> {
    verified(run, conn, migration).await?;
    let elapsed = i64::try_from(started.elapsed().as_nanos()).unwrap_or(i64::MAX);
    let mut transaction = conn.begin().await.map_err(doing("begin a transaction"))?;
    history::fence(&mut transaction, run.writer.token).await?;
    history::finish(&mut transaction, run.writer, migration, elapsed).await?;
    transaction.commit().await.map_err(committing("record the migration"))
}

/// Whose steps are journalled, and how patiently.
pub(crate) struct Journal<'a> {
    pub(crate) version: i64,
    pub(crate) direction: &'static str,
    pub(crate) writer: Writer<'a>,
    pub(crate) patience: &'a Patience,
}

/// Runs the statements of `script` that the journal does not hold as finished.
pub(crate) async fn steps(
    conn: &mut PgConnection,
    journal: &Journal<'_>,
    script: &Script,
    left: Duration,
    tell: &(dyn Fn(Event) + Send + Sync),
) -> Result<(), Error> {
    let history = History::read(conn).await?;
    let known = history.journal(journal.version, journal.direction);
    let find = |ordinal: i32| known.iter().find(|step| step.ordinal == ordinal);
    let mut resumed = !known.is_empty();
    for (index, statement) in script.statements.iter().enumerate() {
        let ordinal = i32::try_from(index + 1).expect("a file has fewer statements than that");
        if find(ordinal).is_some_and(|step| step.finished) {
            continue;
        }
        if std::mem::take(&mut resumed) {
            tell(Event::Resumed { version: journal.version, statement: index + 1 });
        }
        let begun = find(ordinal);
        let step = Step {
            script,
            statement,
            ordinal,
            begun_before: begun.is_some(),
            same_as_begun: begun.is_some_and(|step| step.is(statement)),
        };
        let done = if statement.standalone {
            journal.standalone(conn, &step, left, tell).await
        } else {
            journal.in_transaction(conn, &step).await
        };
        done.map_err(|error| if index > 0 { error.after_change() } else { error })?;
    }
    Ok(())
}

/// One statement of a file.
struct Step<'a> {
    script: &'a Script,
    statement: &'a Statement,
    ordinal: i32,
    begun_before: bool,
    /// It was begun with this very text.
    same_as_begun: bool,
}

impl Step<'_> {
    /// It runs code that may commit on its way, so that running it again could do its work twice.
    fn may_commit(&self) -> bool {
        matches!(self.statement.kind.as_str(), "do" | "call")
    }

    /// It builds or drops indexes beside the clients.
    fn is_index_work(&self) -> bool {
        let concurrent = || self.statement.sql.to_uppercase().contains("CONCURRENTLY");
        self.statement.kind.ends_with("_index") || (self.statement.kind == "reindex" && concurrent())
    }

    fn half_run(&self, journal: &Journal<'_>, source: Option<Box<Error>>) -> Error {
        let step = (journal.version, journal.direction, self.ordinal);
        Error::HalfRun { file: self.script.file.clone(), line: self.statement.line, step, source }
    }
}

impl Journal<'_> {
    /// The statement and its journal row in one transaction.
    async fn in_transaction(&self, conn: &mut PgConnection, step: &Step<'_>) -> Result<(), Error> {
        let mut transaction = conn.begin().await.map_err(doing("begin a transaction"))?;
        self.patience.set_local(&mut transaction).await?;
        history::fence(&mut transaction, self.writer.token).await?;
        let before = Picture::take(&mut transaction).await?;
        history::start_step(&mut transaction, self.version, self.direction, step.ordinal, step.statement)
            .await?;
        let ran = execute(&mut transaction, step.script, step.statement).await;
        if let Err(error) = ran {
            // The transaction is lost either way; the first error is the one that matters.
            let _ = transaction.rollback().await;
            return Err(error);
        }
        let after = Picture::take(&mut transaction).await?;
        history::touched(&mut transaction, self.version, &before.touched(&after)).await?;
        history::finish_step(&mut transaction, self.version, self.direction, step.ordinal).await?;
        transaction.commit().await.map_err(committing("commit a step"))
    }

    /// The statement on its own, between two journal entries.
    async fn standalone(
        &self,
        conn: &mut PgConnection,
        step: &Step<'_>,
        left: Duration,
        tell: &(dyn Fn(Event) + Send + Sync),
    ) -> Result<(), Error> {
        if step.may_commit() && step.same_as_begun {
            return Err(step.half_run(self, None));
        }
        let before = Picture::take(conn).await?;
        let made = match &step.statement.concurrent_index {
            Some(index) => self.leftover(conn, step, index, tell).await?,
            None => false,
        };
        if !made {
            self.begin(conn, step).await?;
            if step.is_index_work() {
                // Nobody but other schema changes queues behind a concurrent build, so it may wait long.
                self.patience.set_unhurried(conn, left.max(self.patience.lock)).await?;
            } else {
                self.patience.set_session(conn, self.patience.lock).await?;
            }
            match execute(conn, step.script, step.statement).await {
                // An earlier attempt dropped it and died before the journal.
                Err(error) if step.begun_before && gone(step, &error) => {}
                Err(error) if step.may_commit() && error.transient() => {
                    return Err(step.half_run(self, Some(Box::new(error))));
                }
                outcome => outcome.map_err(Error::after_change)?,
            }
            if let Some(index) = &step.statement.concurrent_index {
                self.valid(conn, step, index).await.map_err(Error::after_change)?;
            }
        }
        self.finish(conn, step, &before).await.map_err(Error::after_change)
    }

    /// Journals a statement that has been run on its own.
    async fn finish(&self, conn: &mut PgConnection, step: &Step<'_>, before: &Picture) -> Result<(), Error> {
        let after = Picture::take(conn).await?;
        let mut transaction = conn.begin().await.map_err(doing("begin a transaction"))?;
        history::fence(&mut transaction, self.writer.token).await?;
        history::touched(&mut transaction, self.version, &before.touched(&after)).await?;
        history::finish_step(&mut transaction, self.version, self.direction, step.ordinal).await?;
        transaction.commit().await.map_err(committing("commit a step"))
    }

    async fn begin(&self, conn: &mut PgConnection, step: &Step<'_>) -> Result<(), Error> {
        let mut transaction = conn.begin().await.map_err(doing("begin a transaction"))?;
        history::fence(&mut transaction, self.writer.token).await?;
        history::start_step(&mut transaction, self.version, self.direction, step.ordinal, step.statement)
            .await?;
        transaction.commit().await.map_err(committing("journal a step"))
    }

    /// What an index of that name tells: `true` when an earlier attempt of ours finished it. An invalid one is
    /// dropped when we began it, and refused otherwise, since somebody may be building it right now.
    async fn leftover(
        &self,
        conn: &mut PgConnection,
        step: &Step<'_>,
        index: &ConcurrentIndex,
        tell: &(dyn Fn(Event) + Send + Sync),
    ) -> Result<bool, Error> {
        match find(conn, index).await? {
            None => Ok(false),
            Some(found) if found.valid => Ok(step.begun_before),
            Some(found) if step.begun_before => {
                drop_index(conn, &found.name).await?;
                tell(Event::Mended { version: self.version, index: found.name });
                Ok(false)
            }
            Some(found) => Err(invalid(step, found.name)),
        }
    }

    async fn valid(
        &self,
        conn: &mut PgConnection,
        step: &Step<'_>,
        index: &ConcurrentIndex,
    ) -> Result<(), Error> {
        match find(conn, index).await? {
            Some(found) if !found.valid => Err(invalid(step, found.name)),
            _ => Ok(()),
        }
    }
}

fn gone(step: &Step<'_>, error: &Error) -> bool {
    step.statement.kind == "drop_index" && error.sqlstate() == Some("42704")
}

fn invalid(step: &Step<'_>, index: String) -> Error {
    Error::InvalidIndex { index, file: step.script.file.clone(), line: step.statement.line }
}

/// An index as the catalog has it.
struct Found {
    name: String,
    valid: bool,
}

/// The index of that name in the schema of its table.
async fn find(conn: &mut PgConnection, index: &ConcurrentIndex) -> Result<Option<Found>, Error> {
    let row: Option<(String, bool)> = sqlx::query_as(
        "SELECT i.indexrelid::regclass::text, i.indisvalid AND i.indisready
         FROM pg_class t JOIN pg_index i ON i.indrelid = t.oid JOIN pg_class c ON c.oid = i.indexrelid
         WHERE t.oid = to_regclass($1) AND c.relname = (parse_ident($2))[1]",
    )
    .bind(&index.table)
    .bind(&index.name)
    .fetch_optional(conn)
    .await
    .map_err(doing("look for the index"))?;
    Ok(row.map(|(name, valid)| Found { name, valid }))
}

async fn drop_index(conn: &mut PgConnection, name: &str) -> Result<(), Error> {
    // `regclass::text` has quoted the name where needed.
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("DROP INDEX CONCURRENTLY {name}")))
        .execute(conn)
        .await
        .map_err(doing("drop the invalid index"))?;
    Ok(())
}

/// Verifies in a transaction of its own, which is always rolled back.
async fn verified(run: &Run<'_>, conn: &mut PgConnection, migration: &Migration) -> Result<(), Error> {
    let mut transaction = conn.begin().await.map_err(doing("begin a transaction"))?;
    run.patience.set_local(&mut transaction).await?;
    let outcome = verify::check(&mut transaction, &migration.verify).await;
    let undone = transaction.rollback().await.map_err(doing("undo the verification"));
    outcome.and(undone)
}
