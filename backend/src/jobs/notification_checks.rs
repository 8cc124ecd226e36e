//! Tells what time alone makes worth telling, tenant by tenant, each in a transaction of its own. Doing it twice tells
//! nothing twice: each fact is told once.

use std::time::Duration;

use super::engine::{Job, JobContext, JobError};
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
        for tenant in tenants {
            let mut transaction = Transaction::inside(database, tenant).await.map_err(JobError::from)?;
            let told = notifications::check(&mut transaction).await?;
            transaction.commit().await.map_err(JobError::from)?;
            tracing::debug!(tenant, told, "notifications checked");
        }
        Ok(())
    }
}
