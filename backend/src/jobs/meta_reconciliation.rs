//! Finds leads that nobody told of, looks at each page's token and access, and tells the CEOs when Meta has fallen
//! silent.

use std::time::Duration;

use super::engine::{Job, JobContext, JobError};
use crate::meta::{self, Meta};

/// The job `meta_reconciliation`.
#[derive(Debug)]
pub(super) struct MetaReconciliation(pub(super) Meta);

#[async_trait::async_trait]
impl Job for MetaReconciliation {
    fn name(&self) -> &'static str {
        meta::RECONCILIATION_JOB
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(15 * 60)
    }

    async fn run(&self, context: &JobContext) -> Result<(), JobError> {
        let found = meta::reconcile(&self.0, context.database()).await?;
        tracing::info!(found, "forms of Meta reconciled");
        Ok(())
    }
}
