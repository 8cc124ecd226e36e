//! The scheduler as routes see it: the jobs of this release, and how they are.

use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use sqlx::{Executor, Postgres};

use super::engine::health::{Moment, SchedulerHealth};
use super::engine::state::{self, TaskState};
use super::engine::{Engine, Job};
use crate::database::Database;
use crate::lifecycle::Lifecycle;
use crate::meta::Meta;

/// The jobs of this release.
#[derive(Debug)]
pub(crate) struct Scheduler {
    jobs: Vec<Arc<dyn Job>>,
    enabled: bool,
}

impl Scheduler {
    pub(crate) fn new(enabled: bool, meta: Option<&Meta>) -> Self {
        let jobs = super::all().into_iter().chain(meta.map(super::of_meta).unwrap_or_default());
        Self { jobs: jobs.collect(), enabled }
    }

    /// Whether this server runs jobs when it serves.
    pub(crate) fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// An engine for these jobs, to be driven by the server.
    pub(crate) fn engine(&self, database: &Database, release: &str) -> Engine {
        Engine::new(database.clone(), self.jobs.clone(), release)
    }

    pub(crate) fn knows(&self, task: &str) -> bool {
        self.jobs.iter().any(|job| job.name() == task)
    }

    pub(crate) fn intervals(&self) -> impl Iterator<Item = (&'static str, Duration)> {
        self.jobs.iter().map(|job| (job.name(), job.interval()))
    }

    /// What the tables say about the jobs of this release.
    pub(crate) async fn tasks<'c>(
        &self,
        db: impl Executor<'c, Database = Postgres>,
    ) -> Result<Vec<TaskState>, sqlx::Error> {
        let names: Vec<&str> = self.jobs.iter().map(|job| job.name()).collect();
        state::tasks(db, &names).await
    }

    /// How the scheduler is, within `limit`.
    pub(crate) async fn health(
        &self,
        database: &Database,
        lifecycle: &Lifecycle,
        limit: Duration,
    ) -> SchedulerHealth {
        let asked = tokio::time::timeout(limit, async {
            let flag = state::flag(database.outside_tenants()).await?;
            let tasks = self.tasks(database.outside_tenants()).await?;
            Ok::<_, sqlx::Error>((flag, tasks))
        });
        let now = Utc::now();
        let since = now - TimeDelta::from_std(lifecycle.age()).unwrap_or(TimeDelta::zero());
        let moment = Moment { now, since, enabled: self.enabled };
        match asked.await {
            Ok(Ok((flag, tasks))) => SchedulerHealth::judge(self.dynamic(), &tasks, flag, moment),
            Ok(Err(error)) => {
                tracing::warn!(%error, "nothing is known about the scheduler");
                SchedulerHealth::unknown(self.dynamic())
            }
            Err(_) => SchedulerHealth::unknown(self.dynamic()),
        }
    }

    fn dynamic(&self) -> impl Iterator<Item = &dyn Job> {
        self.jobs.iter().map(AsRef::as_ref)
    }
}
