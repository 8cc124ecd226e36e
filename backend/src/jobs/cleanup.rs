//! Removes what nobody will ask for again: ended sessions and refresh tokens, long expired notifications,
//! delivered outbox rows, old runs. Doing it twice removes nothing more.

use std::time::Duration;

use super::engine::{Job, JobContext, JobError};
use crate::tenant::Transaction;

/// Statements inside each tenant. Used refresh tokens stay until they expire: they detect reuse.
const IN_TENANT: [(&str, &str); 2] = [
    ("sessions", "DELETE FROM sessions WHERE expires_at < now() OR revoked_at < now() - interval '30 days'"),
    ("refresh_tokens", "DELETE FROM refresh_tokens WHERE expires_at < now()"),
];
/// Expired ones are shown nowhere; they stay for a while, since what was told is not told again.
const NOTIFICATIONS: &str = "DELETE FROM notifications WHERE expires_at < now() - interval '90 days'";
const OUTBOX: &str = "SELECT crm_outbox_purge(interval '7 days')";
const RUNS: &str = "DELETE FROM scheduled_run WHERE finished_at < now() - interval '30 days'";
/// Runs of a job of every few seconds say little after a day; the newest success stays, since health asks for it.
const FREQUENT_RUNS: &str = "DELETE FROM scheduled_run r
    WHERE r.job = 'meta_intake' AND r.outcome = 'succeeded' AND r.finished_at < now() - interval '1 day'
      AND EXISTS (SELECT FROM scheduled_run l
                  WHERE l.job = r.job AND l.outcome = 'succeeded' AND l.finished_at > r.finished_at)";

/// The job `cleanup`.
#[derive(Debug)]
pub(super) struct Cleanup;

#[async_trait::async_trait]
impl Job for Cleanup {
    fn name(&self) -> &'static str {
        "cleanup"
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(3600)
    }

    async fn run(&self, context: &JobContext) -> Result<(), JobError> {
        let database = context.database();
        let tenants: Vec<i32> = sqlx::query_scalar("SELECT id FROM crm_tenant_list()")
            .fetch_all(database.outside_tenants())
            .await?;
        let has_notifications: bool = sqlx::query_scalar("SELECT to_regclass('notifications') IS NOT NULL")
            .fetch_one(database.outside_tenants())
            .await?;
        for tenant in tenants {
            let mut transaction = Transaction::inside(database, tenant).await.map_err(JobError::from)?;
            for (table, statement) in IN_TENANT {
                let gone = sqlx::query(statement).execute(transaction.db()).await?.rows_affected();
                tracing::debug!(tenant, table, gone, "cleaned");
            }
            if has_notifications {
                sqlx::query(NOTIFICATIONS).execute(transaction.db()).await?;
            }
            transaction.commit().await.map_err(JobError::from)?;
        }
        sqlx::query(OUTBOX).execute(database.outside_tenants()).await?;
        sqlx::query(RUNS).execute(database.outside_tenants()).await?;
        sqlx::query(FREQUENT_RUNS).execute(database.outside_tenants()).await?;
        Ok(())
    }
}
