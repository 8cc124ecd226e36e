//! Claims: who does a planned run, and for how long without a sign of life.

use std::time::Duration;

use sqlx::FromRow;

use crate::database::Database;

/// A claim without a heartbeat ends after this.
pub(super) const LEASE: Duration = Duration::from_secs(60);
/// Attempts before a run is put aside.
pub(super) const ATTEMPTS: i32 = 5;
/// Wait after the first failed attempt; doubles each time.
const BACKOFF: Duration = Duration::from_secs(10);
/// Longest text kept about a failure.
const LONGEST_ERROR: usize = 500;

/// A run that this replica does now.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Claimed {
    pub(super) id: i64,
    pub(super) job: String,
    pub(super) attempts: i32,
}

/// Claims the run that waits longest, unless there is none; skips what others are claiming.
pub(super) async fn next(
    database: &Database,
    name: &str,
    jobs: &[&str],
) -> Result<Option<Claimed>, sqlx::Error> {
    sqlx::query_as(
        "UPDATE scheduled_run
         SET claimed_by = $1, lease_until = clock_timestamp() + make_interval(secs => $2),
             heartbeat_at = clock_timestamp(), started_at = clock_timestamp(), attempts = attempts + 1
         WHERE id = (
           SELECT id FROM scheduled_run
           WHERE finished_at IS NULL AND not_before <= now() AND job = ANY($3)
             AND (lease_until IS NULL OR lease_until < clock_timestamp())
           ORDER BY not_before, id LIMIT 1 FOR UPDATE SKIP LOCKED)
         RETURNING id, job, attempts",
    )
    .bind(name)
    .bind(LEASE.as_secs_f64())
    .bind(jobs)
    .fetch_optional(database.outside_tenants())
    .await
}

/// A sign of life; false when the claim is lost.
pub(super) async fn beat(database: &Database, name: &str, run: i64) -> Result<bool, sqlx::Error> {
    let kept = sqlx::query(
        "UPDATE scheduled_run
         SET heartbeat_at = clock_timestamp(), lease_until = clock_timestamp() + make_interval(secs => $3)
         WHERE id = $1 AND claimed_by = $2 AND finished_at IS NULL",
    )
    .bind(run)
    .bind(name)
    .bind(LEASE.as_secs_f64())
    .execute(database.outside_tenants())
    .await?;
    Ok(kept.rows_affected() == 1)
}

/// The run is done.
pub(super) async fn succeeded(database: &Database, name: &str, run: i64) -> Result<(), sqlx::Error> {
    sqlx::query(
        "WITH done AS (
           UPDATE scheduled_run SET finished_at = clock_timestamp(), outcome = 'succeeded', error = NULL
           WHERE id = $1 AND claimed_by = $2 AND finished_at IS NULL RETURNING job)
         UPDATE job_state s SET consecutive_failures = 0, updated_at = now() FROM done WHERE s.job = done.job",
    )
    .bind(run)
    .bind(name)
    .execute(database.outside_tenants())
    .await?;
    Ok(())
}

/// The attempt failed: later again, or never when it was the last.
pub(super) async fn failed(
    database: &Database,
    name: &str,
    claimed: &Claimed,
    error: &str,
) -> Result<(), sqlx::Error> {
    let doublings = u32::try_from(claimed.attempts - 1).unwrap_or(0).min(10);
    let wait = BACKOFF * 2_u32.pow(doublings);
    let error: String = error.chars().take(LONGEST_ERROR).collect();
    sqlx::query(
        "WITH failed AS (
           UPDATE scheduled_run
           SET error = $3, claimed_by = NULL, lease_until = NULL,
               not_before = clock_timestamp() + make_interval(secs => $4),
               finished_at = CASE WHEN attempts >= $5 THEN clock_timestamp() END,
               outcome = CASE WHEN attempts >= $5 THEN 'dead' END
           WHERE id = $1 AND claimed_by = $2 AND finished_at IS NULL RETURNING job)
         UPDATE job_state s SET consecutive_failures = consecutive_failures + 1, updated_at = now()
         FROM failed WHERE s.job = failed.job",
    )
    .bind(claimed.id)
    .bind(name)
    .bind(error)
    .bind(wait.as_secs_f64())
    .bind(ATTEMPTS)
    .execute(database.outside_tenants())
    .await?;
    Ok(())
}

/// Gives the run to whoever comes next; the attempt does not count.
pub(super) async fn give_back(database: &Database, name: &str, run: i64) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE scheduled_run
         SET claimed_by = NULL, lease_until = NULL, not_before = now(), attempts = attempts - 1
         WHERE id = $1 AND claimed_by = $2 AND finished_at IS NULL",
    )
    .bind(run)
    .bind(name)
    .execute(database.outside_tenants())
    .await?;
    Ok(())
}
