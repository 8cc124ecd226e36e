//! Applies what is pending: refuses on drift before any change, then one migration after the other, each with
//! its history row, its fence and its verification. It decides the order; how one migration runs is in
//! `transactional` and `stepwise`.

mod run;
mod stepwise;
mod transactional;
mod verify;

use std::time::Instant;

use serde::Serialize;
use sqlx::Connection;
use sqlx::postgres::PgConnection;

pub(crate) use run::execute;
pub(crate) use stepwise::{Journal, steps};
pub(crate) use transactional::still_in;

use crate::database::Database;
use crate::drift;
use crate::error::{Error, committing, doing};
use crate::events::{Event, Observer};
use crate::history::{self, History, Writer};
use crate::lock::millis;
use crate::objects::Picture;
use crate::retry::{Attempts, Patience};
use crate::session::{Author, Session, reset};
use crate::set::{Migration, MigrationSet, Stage};
use crate::watch::{self, Seen};

/// Which pending migrations are meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    #[default]
    All,
    /// Up to and including this version.
    UpTo(i64),
    /// Up to, without, the first one that a serving release may not survive.
    BeforeContract,
}

/// How to apply.
#[derive(Debug, Clone)]
pub struct ApplyOptions {
    /// Who is responsible.
    pub author: Author,
    /// Fencing token of the run; `None` takes the next one under the lock.
    pub token: Option<i64>,
    /// Which migrations.
    pub scope: Scope,
    /// How long to wait for what.
    pub patience: Patience,
}

/// What was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// In the order in which they were applied; empty when nothing was pending.
    pub migrations: Vec<AppliedMigration>,
    /// Newest version applied now.
    pub latest: Option<i64>,
    /// The token under which it was done.
    pub token: i64,
}

/// One migration that was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AppliedMigration {
    /// Its number.
    pub version: i64,
    /// Its name.
    pub name: String,
    /// Of the attempt that succeeded, from the first statement to the commit.
    pub elapsed_ms: u64,
}

/// Applies the pending migrations of `set`.
///
/// Finished migrations stay when a later one fails; the failing one leaves nothing behind, except that a
/// `-- no-transaction` file keeps the statements that ran, journalled, and goes on from there next time.
///
/// # Errors
/// [`crate::Kind::Refused`]: nothing was changed, by drift, an unknown version, a held lock or no connection.
/// [`crate::Kind::FenceLost`]: a newer run owns the database. [`crate::Kind::Failed`]: a migration failed.
pub async fn apply(
    database: &Database,
    set: &MigrationSet,
    options: &ApplyOptions,
    observer: &dyn Observer,
) -> Result<Applied, Error> {
    let mut session = Session::open(database, &options.patience, observer).await?;
    let seen = Seen::default();
    let outcome = tokio::select! {
        biased;
        outcome = pending_in_order(&mut session.conn, set, options, &seen, observer) => outcome,
        lost = watch::over(session.pid, database, options.patience.silence, &seen, observer) => Err(lost),
    };
    session.close().await;
    outcome
}

/// The migrations of `scope` that are not applied, in order, a half-done one included.
pub(crate) fn pending<'a>(
    set: &'a MigrationSet,
    history: &History,
    scope: Scope,
) -> Result<Vec<&'a Migration>, Error> {
    if let Scope::UpTo(version) = scope
        && set.get(version).is_none()
    {
        return Err(Error::UnknownVersion(version));
    }
    let open = set.iter().filter(|m| !history.rows.get(&m.version).is_some_and(|row| row.success));
    Ok(open
        .take_while(|migration| match scope {
            Scope::All => true,
            Scope::UpTo(version) => migration.version <= version,
            Scope::BeforeContract => migration.stage != Stage::Contract,
        })
        .collect())
}

async fn pending_in_order(
    conn: &mut PgConnection,
    set: &MigrationSet,
    options: &ApplyOptions,
    seen: &Seen,
    observer: &dyn Observer,
) -> Result<Applied, Error> {
    let history = History::read(conn).await.map_err(Error::before_change)?;
    let drift: Vec<_> = drift::between(set, &history).into_iter().filter(drift::Drift::blocks).collect();
    if !drift.is_empty() {
        return Err(Error::Drift(drift));
    }
    let todo = pending(set, &history, options.scope)?;
    let token = claim(&history, options.token)?;
    let writer = Writer { author: &options.author, token };
    prepare(conn, set, &history, writer, options.token.is_some()).await?;
    let mut run = Run { writer, patience: options.patience, seen, observer, picture: None };
    let mut migrations = Vec::with_capacity(todo.len());
    for migration in todo {
        run.patience = options.patience.of(Some(migration));
        migrations.push(run.one(conn, migration).await?);
    }
    let latest = history.latest().into_iter().chain(migrations.iter().map(|m| m.version)).max();
    Ok(Applied { migrations, latest, token })
}

/// The token to work under: the given one unless a newer run was here, else the next one.
pub(crate) fn claim(history: &History, token: Option<i64>) -> Result<i64, Error> {
    let newest = history.fence.unwrap_or(0);
    match token {
        Some(token) if token < newest => Err(Error::FenceLost { token, newest }),
        Some(token) => Ok(token),
        None => Ok(newest + 1),
    }
}

/// Makes the history ready: creates it, raises the fence for a run that has a token, and takes over what
/// another tool applied from these files.
async fn prepare(
    conn: &mut PgConnection,
    set: &MigrationSet,
    history: &History,
    writer: Writer<'_>,
    given: bool,
) -> Result<(), Error> {
    if history.fence.is_none() {
        history::bootstrap(conn).await.map_err(Error::before_change)?;
    }
    if given && history.fence.unwrap_or(0) < writer.token {
        history::fence(conn, writer.token).await?;
    }
    let foreign =
        history.rows.values().filter(|row| row.success && !history.records.contains_key(&row.version));
    let foreign: Vec<_> = foreign.filter_map(|row| Some((row, set.get(row.version)?))).collect();
    if foreign.is_empty() {
        return Ok(());
    }
    let mut transaction = conn.begin().await.map_err(doing("begin a transaction"))?;
    history::fence(&mut transaction, writer.token).await?;
    for (row, migration) in foreign {
        history::adopt(&mut transaction, writer, migration, row).await?;
    }
    transaction.commit().await.map_err(committing("take over what another tool applied"))
}

/// What all migrations of one run share.
pub(crate) struct Run<'a> {
    pub(crate) writer: Writer<'a>,
    pub(crate) patience: Patience,
    pub(crate) seen: &'a Seen,
    pub(crate) observer: &'a dyn Observer,
    /// The catalog as the migration before left it.
    pub(crate) picture: Option<Picture>,
}

impl Run<'_> {
    /// One migration, with as many attempts as patience allows.
    async fn one(
        &mut self,
        conn: &mut PgConnection,
        migration: &Migration,
    ) -> Result<AppliedMigration, Error> {
        let version = migration.version;
        let mut attempts = Attempts::new(version, &self.patience, self.seen, self.observer);
        let elapsed_ms = loop {
            let name = migration.name.clone();
            self.observer.observe(Event::Started { version, name, attempt: attempts.count() });
            let started = Instant::now();
            let attempt = if migration.no_transaction {
                stepwise::attempt(self, conn, migration, &attempts).await
            } else {
                transactional::attempt(self, conn, migration).await
            };
            match attempt {
                Ok(()) => break millis(started.elapsed()),
                Err(error) => attempts.after(error).await?,
            }
        };
        reset(conn).await.map_err(Error::after_change)?;
        let name = migration.name.clone();
        self.observer.observe(Event::Applied { version, name: name.clone(), elapsed_ms });
        Ok(AppliedMigration { version, name, elapsed_ms })
    }
}
