//! Looks each minute at everything that waits in a queue, tenant by tenant: shifts begin, days begin, and what a moment
//! ago nobody could take somebody can take now. Two at once give nothing twice: each goes into the queue alone.

use std::time::Duration;

use super::engine::{Job, JobContext, JobError};
use crate::assignment::queue;
use crate::tenant::Transaction;

/// The job `assignment_sweep`.
#[derive(Debug)]
pub(super) struct AssignmentSweep;

#[async_trait::async_trait]
impl Job for AssignmentSweep {
    fn name(&self) -> &'static str {
        "assignment_sweep"
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
            queue::sweep(|| Transaction::inside(database, tenant)).await.map_err(JobError::from)?;
        }
        Ok(())
    }
}
