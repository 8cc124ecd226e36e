//! Makes figures for tenants that have none by this definition, and checks the last days of the others: each quarter of
//! an hour the last hours, once a day three days. Nothing should be different; what is, is mended and said.

use std::time::Duration;

use chrono::{TimeDelta, Timelike, Utc};

use super::engine::{Job, JobContext, JobError};
use crate::metrics;

/// How far back the usual check looks.
const HOURS: i64 = 2;
/// How far back the nightly one does.
const NIGHTLY_DAYS: i64 = 3;
/// The hour of UTC in which it is nightly: the small hours of the Americas.
const NIGHT: u32 = 7;

/// The job `metrics_refresh`.
#[derive(Debug)]
pub(super) struct MetricsRefresh;

#[async_trait::async_trait]
impl Job for MetricsRefresh {
    fn name(&self) -> &'static str {
        "metrics_refresh"
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(15 * 60)
    }

    async fn run(&self, context: &JobContext) -> Result<(), JobError> {
        let database = context.database();
        let tenants: Vec<i32> =
            sqlx::query_scalar("SELECT id FROM crm_tenant_list() WHERE status = 'active'")
                .fetch_all(database.outside_tenants())
                .await?;
        let now = Utc::now();
        let nightly = now.hour() == NIGHT && now.minute() < 15;
        let back = if nightly { TimeDelta::days(NIGHTLY_DAYS) } else { TimeDelta::hours(HOURS) };
        for tenant in tenants {
            if metrics::ensure(database, tenant).await.map_err(JobError::from)? {
                tracing::info!(tenant, version = metrics::VERSION, "figures made");
                continue;
            }
            let checked = metrics::check(database, tenant, now - back).await.map_err(JobError::from)?;
            if checked.differences() > 0 {
                tracing::error!(
                    tenant,
                    facts = checked.facts,
                    cells = checked.cells,
                    "figures were wrong, and are mended"
                );
            }
        }
        Ok(())
    }
}
