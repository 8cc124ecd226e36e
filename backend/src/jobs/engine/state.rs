//! What the tables say about the scheduler and its tasks, and the stored flag. Decides nothing.

use chrono::{DateTime, Utc};
use sqlx::postgres::PgConnection;
use sqlx::{Executor, FromRow, Postgres};
use uuid::Uuid;

use crate::database::{Database, Metered};

/// A task as the tables know it.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct TaskState {
    pub(crate) job: String,
    pub(crate) next_run_at: DateTime<Utc>,
    pub(crate) consecutive_failures: i32,
    pub(crate) last_success: Option<DateTime<Utc>>,
    pub(crate) last_error: Option<String>,
    /// When the oldest run that is not finished should have run.
    pub(crate) waiting_since: Option<DateTime<Utc>>,
    /// Whether a replica works on it now.
    pub(crate) running: bool,
    /// Whether the newest finished run was given up.
    pub(crate) dead: bool,
}

/// The stored flag.
#[derive(Debug, Clone, Copy, FromRow)]
pub(crate) struct Flag {
    pub(crate) running: bool,
    pub(crate) changed_at: DateTime<Utc>,
}

/// Whether jobs are meant to run.
pub(crate) async fn is_running(database: &Database) -> Result<bool, sqlx::Error> {
    flag(database.outside_tenants()).await.map(|flag| flag.running)
}

/// The flag, and since when.
pub(crate) async fn flag<'c>(db: impl Executor<'c, Database = Postgres>) -> Result<Flag, sqlx::Error> {
    sqlx::query_as("SELECT running, changed_at FROM scheduler_state").fetch_one(db).await
}

/// Every task known here.
pub(crate) async fn tasks<'c>(
    db: impl Executor<'c, Database = Postgres>,
    names: &[&str],
) -> Result<Vec<TaskState>, sqlx::Error> {
    sqlx::query_as(
        "SELECT s.job, s.next_run_at, s.consecutive_failures,
                (SELECT r.finished_at FROM scheduled_run r WHERE r.job = s.job AND r.outcome = 'succeeded'
                 ORDER BY r.finished_at DESC LIMIT 1) AS last_success,
                newest.error AS last_error, coalesce(newest.outcome = 'dead', false) AS dead,
                open.waiting_since, coalesce(open.running, false) AS running
         FROM job_state s
         LEFT JOIN LATERAL (
           SELECT r.error, r.outcome FROM scheduled_run r WHERE r.job = s.job AND r.finished_at IS NOT NULL
           ORDER BY r.finished_at DESC LIMIT 1) newest ON true
         LEFT JOIN LATERAL (
           SELECT min(r.scheduled_for) AS waiting_since, bool_or(r.lease_until > clock_timestamp()) AS running
           FROM scheduled_run r WHERE r.job = s.job AND r.finished_at IS NULL) open ON true
         WHERE s.job = ANY($1) ORDER BY s.job",
    )
    .bind(names)
    .fetch_all(db)
    .await
}

/// Sets the flag; setting it to what it is changes nothing.
pub(crate) async fn set(db: Metered<&mut PgConnection>, running: bool, by: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE scheduler_state SET running = $1, changed_at = now(), changed_by = $2 WHERE running <> $1",
    )
    .bind(running)
    .bind(by)
    .execute(db)
    .await?;
    Ok(())
}

/// Plans a run for now, unless one is waiting or at work; gives the time it is planned for.
pub(crate) async fn request_run(
    db: Metered<&mut PgConnection>,
    job: &str,
) -> Result<DateTime<Utc>, sqlx::Error> {
    sqlx::query_scalar(
        "WITH open AS (
           SELECT min(scheduled_for) AS scheduled_for FROM scheduled_run WHERE job = $1 AND finished_at IS NULL),
         planned AS (
           INSERT INTO scheduled_run (job, scheduled_for)
           SELECT $1, clock_timestamp() FROM open WHERE open.scheduled_for IS NULL RETURNING scheduled_for)
         SELECT coalesce((SELECT scheduled_for FROM planned), (SELECT scheduled_for FROM open))",
    )
    .bind(job)
    .fetch_one(db)
    .await
}
