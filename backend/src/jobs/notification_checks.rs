//! Tells what time alone makes worth telling, tenant by tenant, each in a transaction of its own. Doing it twice tells
//! nothing twice: each fact is told once.

use std::time::Duration;

use super::engine::{Job, JobContext, JobError};
use crate::database::Database;
use crate::notifications;
use crate::tenant::Transaction;

/// The job `notification_checks`.
#[derive(Debug)]
pub(super) struct NotificationChecks;

#[async_trait::async_trait]
impl Job for NotificationChecks {
    fn name(&self) -> &'static str {
        "notification_checks"
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(300)
    }

    async fn run(&self, context: &JobContext) -> Result<(), JobError> {
        let database = context.database();
        let tenants: Vec<i32> =
            sqlx::query_scalar("SELECT id FROM crm_tenant_list() WHERE status = 'active'")
                .fetch_all(database.outside_tenants())
                .await?;
        let mut failed = Ok(());
        for tenant in tenants {
            match check(database, tenant).await {
                Ok(told) => tracing::debug!(tenant, told, "notifications checked"),
                // One tenant's trouble is nobody else's.
                Err(error) => {
                    tracing::error!(tenant, %error, "notifications of a tenant could not be checked");
                    failed = failed.and(Err(error));
                }
            }
        }
        failed
    }
}

async fn check(database: &Database, tenant: i32) -> Result<usize, JobError> {
    let mut transaction = Transaction::inside(database, tenant).await.map_err(JobError::from)?;
    let told = notifications::check(&mut transaction).await?;
    transaction.commit().await.map_err(JobError::from)?;
    Ok(told)
}
