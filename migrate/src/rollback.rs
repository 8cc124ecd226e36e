//! Reverts exactly one migration with the way back that was stored when it was applied. It looks for every
//! reason not to before it changes anything, tries the way back behind a savepoint, and counts what is lost.

mod image;
mod loss;
mod refusal;
mod trial;

use std::time::{Duration, Instant};

use serde::Serialize;
use sqlx::Connection;
use sqlx::postgres::PgConnection;

pub use loss::{Loss, LossKind};
pub use refusal::{Reason, Refusal};

use crate::apply::{Journal, claim, execute, steps, still_in};
use crate::database::Database;
use crate::error::{Error, committing, doing};
use crate::events::{Event, Observer};
use crate::history::{self, History, Record, Writer};
use crate::lock::millis;
use crate::retry::{Attempts, Patience};
use crate::session::{Author, Session, reset};
use crate::set::{Digest, MigrationSet};
use crate::sql::{Script, Statement};
use crate::watch::{self, Seen};

/// How long one statement of a trial may take when the revert is refused for another reason already.
const BRIEF_TRIAL: Duration = Duration::from_secs(2);

/// How to revert, and what is consented to.
#[derive(Debug, Clone)]
pub struct RollbackOptions {
    /// Who is responsible.
    pub author: Author,
    /// Fencing token of the run; `None` takes the next one under the lock.
    pub token: Option<i64>,
    /// Serving or kept releases that need the migration, by id: the caller knows them, we do not.
    pub serving_needs: Vec<String>,
    /// `--while-serving`: revert although such a release is there.
    pub while_serving: bool,
    /// `--accept-loss N`: at most this many rows may be lost.
    pub accept_loss: Option<u64>,
    /// How long to wait for what.
    pub patience: Patience,
}

/// What was reverted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reverted {
    /// The migration's number.
    pub version: i64,
    /// Its name.
    pub name: String,
    /// Newest version applied now.
    pub latest: Option<i64>,
    /// What was lost, as consented.
    pub lost: Vec<Loss>,
    /// The token under which it was done.
    pub token: i64,
    /// From the first statement to the commit.
    pub elapsed_ms: u64,
}

/// Reverts migration `version`, and no other.
///
/// # Errors
/// [`crate::Kind::Refused`] with every reason and every consent that would help, nothing changed.
/// [`crate::Kind::FenceLost`]: a newer run owns the database. [`crate::Kind::Failed`]: the revert failed and
/// left nothing behind, except that a `-- no-transaction` file goes on next time where it stopped.
pub async fn rollback(
    database: &Database,
    set: &MigrationSet,
    version: i64,
    options: &RollbackOptions,
    observer: &dyn Observer,
) -> Result<Reverted, Error> {
    let mut session = Session::open(database, &options.patience, observer).await?;
    let seen = Seen::default();
    let outcome = tokio::select! {
        biased;
        outcome = decide(&mut session.conn, set, version, options, &seen, observer) => outcome,
        lost = watch::over(session.pid, database, options.patience.silence, &seen, observer) => Err(lost),
    };
    session.close().await;
    outcome
}

async fn decide(
    conn: &mut PgConnection,
    set: &MigrationSet,
    version: i64,
    options: &RollbackOptions,
    seen: &Seen,
    observer: &dyn Observer,
) -> Result<Reverted, Error> {
    let history = History::read(conn).await.map_err(Error::before_change)?;
    let token = claim(&history, options.token)?;
    let record = applied(&history, version).map_err(|reason| refused(version, vec![reason]))?;
    let writer = Writer { author: &options.author, token };
    let mut reasons = standing(set, record, options);
    let patience = options.patience.of(set.get(version));
    let script = way_back(record, &history);
    let revert = Revert { record, history: &history, options, patience, writer, script };
    let mut attempts = Attempts::new(version, &patience, seen, observer);
    let (started, lost) = loop {
        let started = Instant::now();
        match revert.attempt(conn, &mut reasons).await {
            Ok(lost) => break (started, lost),
            Err(error) => attempts.after(error).await?,
        }
    };
    if record_runs_stepwise(record) {
        // Its journal knows what an attempt has finished, so the next one goes on from there.
        while let Err(error) = revert.stepwise(conn, &attempts, observer, &lost).await {
            attempts.after(error).await?;
        }
    }
    let elapsed_ms = millis(started.elapsed());
    observer.observe(Event::Reverted { version, elapsed_ms });
    let latest =
        history.rows.values().filter(|row| row.success && row.version != version).map(|r| r.version).max();
    Ok(Reverted { version, name: record.name.clone(), latest, lost, token, elapsed_ms })
}

/// The record of an applied migration, or why there is none.
fn applied(history: &History, version: i64) -> Result<&Record, Reason> {
    let record = history.records.get(&version);
    if !history.rows.contains_key(&version) {
        return Err(Reason::NotApplied { reverted_at: record.and_then(|record| record.reverted_at) });
    }
    record.filter(|record| record.reverted_at.is_none()).ok_or(Reason::NoWayBack)
}

/// Reasons that can be told without touching anything.
fn standing(set: &MigrationSet, record: &Record, options: &RollbackOptions) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let tampered = Digest::of(&record.down_sql).to_string() != record.down_digest;
    let file = set.get(record.version);
    if tampered || file.is_some_and(|migration| migration.down_digest.to_string() != record.down_digest) {
        let file = file
            .map_or_else(|| format!("{}_{}.down.sql", record.version, record.name), |m| m.down.file.clone());
        reasons.push(Reason::DownDiffers { file });
    }
    let declared = record.irreversible.clone().or_else(|| file.and_then(|m| m.irreversible.clone()));
    if let Some(because) = declared {
        reasons.push(Reason::Irreversible { because });
    }
    if !options.serving_needs.is_empty() && !options.while_serving {
        reasons.push(Reason::Serving { releases: options.serving_needs.clone() });
    }
    reasons
}

/// The stored way back, without what an interrupted revert has done already. A concurrent drop that was begun
/// may be done as well: it takes no row with it and is left out of the trial.
fn way_back(record: &Record, history: &History) -> Script {
    let script = Script::parse(format!("stored down of {}", record.version), record.down_sql.clone());
    let journal = history.journal(record.version, "down");
    let done = |index: usize, statement: &Statement| {
        let step = journal.iter().find(|step| usize::try_from(step.ordinal) == Ok(index + 1));
        step.is_some_and(|step| step.finished || (statement.standalone && statement.kind == "drop_index"))
    };
    let open = script.statements.iter().enumerate().filter(|(index, statement)| !done(*index, statement));
    Script { statements: open.map(|(_, statement)| statement.clone()).collect(), ..script.clone() }
}

fn record_runs_stepwise(record: &Record) -> bool {
    record.down_sql.starts_with("-- no-transaction")
}

fn refused(version: i64, reasons: Vec<Reason>) -> Error {
    Error::Refused(Box::new(Refusal { version, reasons }))
}

/// One revert.
struct Revert<'a> {
    record: &'a Record,
    history: &'a History,
    options: &'a RollbackOptions,
    patience: Patience,
    writer: Writer<'a>,
    script: Script,
}

impl Revert<'_> {
    /// One attempt: everything in one transaction, which ends in a commit only when nothing speaks against it.
    /// A way back that runs without a transaction is only tried and counted here.
    async fn attempt(&self, conn: &mut PgConnection, standing: &mut [Reason]) -> Result<Vec<Loss>, Error> {
        let mut transaction = conn.begin().await.map_err(doing("begin a transaction"))?;
        let outcome = self.body(&mut transaction, standing).await;
        if outcome.is_ok() && !record_runs_stepwise(self.record) {
            transaction.commit().await.map_err(committing("commit the revert"))?;
        } else {
            // Nothing of it may stay; the first error is the one that matters.
            let _ = transaction.rollback().await;
        }
        let clean = reset(conn).await;
        outcome.and_then(|lost| clean.map(|()| lost).map_err(Error::after_change))
    }

    async fn body(&self, conn: &mut PgConnection, standing: &[Reason]) -> Result<Vec<Loss>, Error> {
        let version = self.record.version;
        self.patience.set_local(conn).await?;
        let transaction = history::fence(conn, self.writer.token).await?;
        if !standing.is_empty() {
            // It will be refused anyway: clients must not wait for a long trial then.
            let brief = Patience { statement: BRIEF_TRIAL, ..self.patience };
            brief.set_local(conn).await?;
        }
        let trial = trial::run(conn, self.record, self.history, &self.script).await?;
        self.patience.set_local(conn).await?;
        let mut reasons = standing.to_vec();
        reasons.extend(trial.reasons);
        let free = reasons.is_empty() && !record_runs_stepwise(self.record);
        if free {
            trial.changes.lock(conn).await?;
        }
        let counts = trial.changes.count(conn).await?;
        let expected = self.accepted(&trial.changes, &counts);
        match expected {
            Ok(lost) if reasons.is_empty() && !free => return Ok(lost),
            Ok(_) if reasons.is_empty() => {}
            Ok(_) => return Err(refused(version, reasons)),
            Err(reason) => {
                reasons.push(reason);
                return Err(refused(version, reasons));
            }
        }
        let measure = trial::Measure::begin(conn, &trial.images).await?;
        for statement in &self.script.statements {
            execute(conn, &self.script, statement).await?;
        }
        still_in(conn, &transaction, &self.script).await?;
        let changes = measure.end(conn).await?;
        let lost = self.accepted(&changes, &counts).map_err(|reason| refused(version, vec![reason]))?;
        history::reverted(conn, self.writer, version, self.detail(&lost)).await?;
        Ok(lost)
    }

    /// Runs a way back that cannot run in a transaction, with the journal a migration has.
    async fn stepwise(
        &self,
        conn: &mut PgConnection,
        attempts: &Attempts<'_>,
        observer: &dyn Observer,
        lost: &[Loss],
    ) -> Result<(), Error> {
        let version = self.record.version;
        let full = Script::parse(self.script.file.clone(), self.record.down_sql.clone());
        let patience = &self.patience;
        let journal = Journal { version, direction: "down", writer: self.writer, patience };
        let ran = steps(conn, &journal, &full, attempts.left(), &|event| observer.observe(event)).await;
        let clean = reset(conn).await;
        ran.and(clean)?;
        let mut transaction = conn.begin().await.map_err(doing("begin a transaction"))?;
        history::fence(&mut transaction, self.writer.token).await?;
        history::reverted(&mut transaction, self.writer, version, self.detail(lost)).await?;
        transaction.commit().await.map_err(committing("record the revert"))
    }

    /// What is lost, when it was consented to.
    fn accepted(&self, changes: &loss::Changes, counts: &loss::Counts) -> Result<Vec<Loss>, Reason> {
        let losses = changes.losses(counts).map_err(|table| Reason::DownUnsteady { table })?;
        let rows: u64 = losses.iter().map(|loss| loss.rows).sum();
        let accepted = self.options.accept_loss;
        if rows > accepted.unwrap_or(0) { Err(Reason::Loss { losses, rows, accepted }) } else { Ok(losses) }
    }

    fn detail(&self, lost: &[Loss]) -> serde_json::Value {
        serde_json::json!({
            "down": self.record.down_digest,
            "lost": lost,
            "accept_loss": self.options.accept_loss,
            "while_serving": self.options.while_serving,
            "serving_needs": self.options.serving_needs,
        })
    }
}
