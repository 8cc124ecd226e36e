//! Looks each minute where it is eight in the morning, and tells the report of the day there. Doing it twice tells
//! nothing twice: the report of a day is one fact.

use std::time::Duration;

use super::engine::{Job, JobContext, JobError};
use crate::notifications;
use crate::tenant::Transaction;

/// The job `daily_report`.
#[derive(Debug)]
pub(super) struct DailyReport;

#[async_trait::async_trait]
impl Job for DailyReport {
    fn name(&self) -> &'static str {
        "daily_report"
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(60)
    }

    async fn run(&self, context: &JobContext) -> Result<(), JobError> {
        let database = context.database();
        let tenants: Vec<i32> =
            sqlx::query_scalar("SELECT id FROM crm_tenant_list() WHERE status = 'active'")
                .fetch_all(database.outside_tenants())
                .await?;
        for tenant in tenants {
            let mut transaction = Transaction::inside(database, tenant).await.map_err(JobError::from)?;
            notifications::report(&mut transaction).await?;
            transaction.commit().await.map_err(JobError::from)?;
        }
        Ok(())
    }
}
