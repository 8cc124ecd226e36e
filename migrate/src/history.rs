//! The history in the database: sqlx's table, which says what is applied, and the schema `crmctl`, which
//! knows the way back. It reads and writes rows; what they permit is decided elsewhere.

mod write;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::Connection;
use sqlx::postgres::PgConnection;

pub(crate) use write::{
    Writer, adopt, bootstrap, fence, finish, finish_step, reverted, start_step, started, touched,
};

use crate::database::Database;
use crate::error::{Error, doing, silent};

/// For a few reads of small tables.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

/// A row of `_sqlx_migrations`.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct Row {
    pub(crate) version: i64,
    pub(crate) description: String,
    pub(crate) installed_on: DateTime<Utc>,
    pub(crate) success: bool,
    pub(crate) checksum: Vec<u8>,
}

/// A row of `crmctl.migration`.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct Record {
    pub(crate) version: i64,
    pub(crate) name: String,
    pub(crate) down_sql: String,
    pub(crate) down_digest: String,
    pub(crate) irreversible: Option<String>,
    pub(crate) created: Vec<String>,
    pub(crate) altered: Vec<String>,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) finished: bool,
    pub(crate) reverted_at: Option<DateTime<Utc>>,
}

/// A row of `crmctl.migration_step`.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct Step {
    pub(crate) version: i64,
    pub(crate) direction: String,
    pub(crate) ordinal: i32,
    pub(crate) digest: String,
    pub(crate) finished: bool,
}

/// All of it, as one read saw it. Empty for a database nobody migrated yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    /// What is applied, or half applied when `success` is false.
    pub(crate) rows: BTreeMap<i64, Row>,
    /// What we know of each migration we ever applied.
    pub(crate) records: BTreeMap<i64, Record>,
    /// Journals of migrations without a transaction.
    pub(crate) steps: Vec<Step>,
    /// The newest token; `None` before the first bootstrap.
    pub(crate) fence: Option<i64>,
}

impl History {
    /// Reads it all on a session of its own, which cannot change anything.
    ///
    /// # Errors
    /// When the database cannot be reached, or does not answer in time.
    pub(crate) async fn of(database: &Database) -> Result<Self, Error> {
        let mut conn = database.connect_read_only().await?;
        let read = tokio::time::timeout(ANSWER_TIMEOUT, Self::read(&mut conn)).await;
        let history = read.unwrap_or_else(|_| Err(silent("read the history")));
        // The answer is complete: a connection that does not close in order takes nothing from it.
        drop(tokio::time::timeout(LEAVE_TIMEOUT, conn.close()).await);
        history.map_err(Error::before_change)
    }

    /// Reads it all and creates nothing.
    pub(crate) async fn read(conn: &mut PgConnection) -> Result<Self, Error> {
        let (sqlx, ours): (bool, bool) = sqlx::query_as(
            "SELECT to_regclass('public._sqlx_migrations') IS NOT NULL, to_regclass('crmctl.migration_event') IS NOT NULL",
        )
        .fetch_one(&mut *conn)
        .await
        .map_err(doing("look for the history"))?;
        let mut history = Self::default();
        if sqlx {
            history.rows = rows(conn).await?;
        }
        if ours {
            history.records = records(conn).await?;
            history.steps = steps(conn).await?;
            history.fence = Some(token(conn).await?);
        }
        Ok(history)
    }

    /// The newest version that is applied.
    pub(crate) fn latest(&self) -> Option<i64> {
        self.rows.values().filter(|row| row.success).map(|row| row.version).next_back()
    }

    /// It was applied once and is not now: reverted by us, or by another tool behind our back.
    pub(crate) fn was_reverted(&self, version: i64) -> bool {
        self.records.contains_key(&version) && !self.rows.contains_key(&version)
    }

    /// The journal of one migration in one direction, in order.
    pub(crate) fn journal(&self, version: i64, direction: &str) -> Vec<&Step> {
        self.steps.iter().filter(|step| step.version == version && step.direction == direction).collect()
    }

    /// A migration of ours that runs without a transaction and did not finish.
    pub(crate) fn unfinished(&self, version: i64) -> bool {
        self.rows.get(&version).is_some_and(|row| !row.success)
            && self
                .records
                .get(&version)
                .is_some_and(|record| !record.finished && record.reverted_at.is_none())
    }
}

async fn rows(conn: &mut PgConnection) -> Result<BTreeMap<i64, Row>, Error> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT version, description, installed_on, success, checksum FROM public._sqlx_migrations ORDER BY version",
    )
    .fetch_all(conn)
    .await
    .map_err(doing("read `_sqlx_migrations`"))?;
    Ok(rows.into_iter().map(|row| (row.version, row)).collect())
}

async fn records(conn: &mut PgConnection) -> Result<BTreeMap<i64, Record>, Error> {
    let records: Vec<Record> = sqlx::query_as(
        "SELECT version, name, down_sql, down_digest, irreversible, created, altered, started_at,
                applied_at IS NOT NULL AS finished, reverted_at
         FROM crmctl.migration ORDER BY version",
    )
    .fetch_all(conn)
    .await
    .map_err(doing("read `crmctl.migration`"))?;
    Ok(records.into_iter().map(|record| (record.version, record)).collect())
}

async fn steps(conn: &mut PgConnection) -> Result<Vec<Step>, Error> {
    sqlx::query_as(
        "SELECT version, direction, ordinal, digest, finished_at IS NOT NULL AS finished
         FROM crmctl.migration_step ORDER BY version, direction, ordinal",
    )
    .fetch_all(conn)
    .await
    .map_err(doing("read `crmctl.migration_step`"))
}

async fn token(conn: &mut PgConnection) -> Result<i64, Error> {
    sqlx::query_scalar("SELECT coalesce(max(token), 0) FROM crmctl.fence")
        .fetch_one(conn)
        .await
        .map_err(doing("read the fence"))
}
