//! Runs jobs on N replicas, each planned run exactly once: a run is a row (`scheduled_run`), claimed
//! under a lease with a heartbeat, retried with backoff, and put aside as dead after its last attempt.
//! Start and stop is one stored flag for all replicas. Knows no job by name.

mod claim;
pub(crate) mod health;
mod plan;
mod run;
pub(crate) mod state;

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::database::Database;
use crate::error::ApiError;
use crate::lifecycle::{Lifecycle, Stage};

/// How often the tables are looked at.
const POLL: Duration = Duration::from_secs(1);
/// Pause after the database gave no answer.
const PAUSE: Duration = Duration::from_secs(5);

/// Something the server does by itself.
#[async_trait::async_trait]
pub trait Job: std::fmt::Debug + Send + Sync {
    /// Stable name, as in the tables and in the API.
    fn name(&self) -> &'static str;

    /// Time from one planned run to the next.
    fn interval(&self) -> Duration;

    /// Does it. Must be idempotent: a run whose replica died is done again.
    ///
    /// # Errors
    /// Why it could not be done; it is tried again later.
    async fn run(&self, context: &JobContext) -> Result<(), JobError>;
}

/// Why a run failed; its text is stored beside the run.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// A query failed.
    #[error("a query failed: {0}")]
    Database(#[from] sqlx::Error),
    /// Something else did.
    #[error("{0}")]
    Other(String),
}

impl From<ApiError> for JobError {
    fn from(error: ApiError) -> Self {
        Self::Other(error.message)
    }
}

/// What a job may use.
#[derive(Debug, Clone)]
pub struct JobContext {
    database: Database,
}

impl JobContext {
    /// The door to Postgres.
    pub(crate) fn database(&self) -> &Database {
        &self.database
    }
}

/// The engine of one replica.
#[derive(Debug)]
pub struct Engine {
    database: Database,
    jobs: Vec<Arc<dyn Job>>,
    /// Who claims: unique per process.
    name: String,
}

impl Engine {
    /// An engine for `jobs`.
    #[must_use]
    pub fn new(database: Database, jobs: Vec<Arc<dyn Job>>, release: &str) -> Self {
        let name = format!("{release}/{}/{}", std::process::id(), Uuid::new_v4().simple());
        Self { database, jobs, name }
    }

    /// Works from the moment this server serves until it drains. A run in progress at that moment is
    /// given `grace` to end, then given back.
    pub async fn work(self, lifecycle: Lifecycle, grace: Duration) {
        lifecycle.reached(Stage::Serving).await;
        let mut announced = false;
        while lifecycle.stage() == Stage::Serving {
            let pause = match self.turn(&lifecycle, grace, &mut announced).await {
                Ok(true) => continue,
                Ok(false) => POLL,
                Err(error) => {
                    tracing::warn!(%error, "jobs wait for the database");
                    PAUSE
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = lifecycle.reached(Stage::Draining) => {}
            }
        }
    }

    /// Plans what is due and does one run; whether there was one.
    async fn turn(
        &self,
        lifecycle: &Lifecycle,
        grace: Duration,
        announced: &mut bool,
    ) -> Result<bool, sqlx::Error> {
        if !*announced {
            plan::announce(&self.database, &self.jobs).await?;
            *announced = true;
        }
        if !state::is_running(&self.database).await? {
            return Ok(false);
        }
        plan::due(&self.database, &self.names()).await?;
        let Some(claimed) = claim::next(&self.database, &self.name, &self.names()).await? else {
            return Ok(false);
        };
        run::run(self, &claimed, lifecycle, grace).await?;
        Ok(true)
    }

    fn names(&self) -> Vec<&'static str> {
        self.jobs.iter().map(|job| job.name()).collect()
    }
}
