//! From "due" to a planned run: exactly one row per job and time, whoever plans it.

use std::sync::Arc;

use super::Job;
use crate::database::Database;

/// Makes the jobs known; a new one is due at once, so that its first success does not wait an interval.
pub(super) async fn announce(database: &Database, jobs: &[Arc<dyn Job>]) -> Result<(), sqlx::Error> {
    for job in jobs {
        let seconds = i32::try_from(job.interval().as_secs()).unwrap_or(i32::MAX);
        sqlx::query(
            "INSERT INTO job_state (job, interval_seconds, next_run_at) VALUES ($1, $2, now())
             ON CONFLICT (job) DO UPDATE SET interval_seconds = EXCLUDED.interval_seconds, updated_at = now()
             WHERE job_state.interval_seconds <> EXCLUDED.interval_seconds",
        )
        .bind(job.name())
        .bind(seconds)
        .execute(database.outside_tenants())
        .await?;
    }
    Ok(())
}

/// Plans every due job: runs that were missed meanwhile become one.
pub(super) async fn due(database: &Database, names: &[&str]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "WITH due AS (
           SELECT job, next_run_at, interval_seconds FROM job_state
           WHERE job = ANY($1) AND next_run_at <= now() FOR UPDATE SKIP LOCKED),
         moved AS (
           UPDATE job_state s
           SET next_run_at = due.next_run_at + make_interval(secs => due.interval_seconds
                 * (floor(extract(epoch FROM now() - due.next_run_at) / due.interval_seconds) + 1)),
               updated_at = now()
           FROM due WHERE s.job = due.job)
         INSERT INTO scheduled_run (job, scheduled_for)
         SELECT job, next_run_at FROM due ON CONFLICT (job, scheduled_for) DO NOTHING",
    )
    .bind(names)
    .execute(database.outside_tenants())
    .await?;
    Ok(())
}
