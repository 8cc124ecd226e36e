//! Works on leads that Meta told of. A stored webhook plans a run at once; the interval finds what waits for a later
//! attempt, and what came while a run was ending.

use std::time::Duration;

use super::engine::{Job, JobContext, JobError};
use crate::meta::{self, Meta};

/// The job `meta_intake`.
#[derive(Debug)]
pub(super) struct MetaIntake(pub(super) Meta);

#[async_trait::async_trait]
impl Job for MetaIntake {
    fn name(&self) -> &'static str {
        meta::INTAKE_JOB
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(10)
    }

    async fn run(&self, context: &JobContext) -> Result<(), JobError> {
        let done = meta::work(&self.0, context.database()).await?;
        tracing::debug!(done, "leads of Meta worked on");
        Ok(())
    }
}
