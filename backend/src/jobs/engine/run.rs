//! One claimed run: the job beside its heartbeat, and what becomes of the run afterwards.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;

use super::claim::{self, ATTEMPTS, Claimed, LEASE};
use super::{Engine, Job, JobContext};
use crate::lifecycle::{Lifecycle, Stage};

/// How a run ended here.
enum Ending {
    Done,
    Failed(String),
    /// The server drains and the time for it is over.
    GivenBack,
    /// Somebody else has the claim now.
    Lost,
}

/// Does `claimed` and stores what came of it.
///
/// # Errors
/// When the outcome could not be stored; the claim then ends by itself.
pub(super) async fn run(
    engine: &Engine,
    claimed: &Claimed,
    lifecycle: &Lifecycle,
    grace: Duration,
) -> Result<(), sqlx::Error> {
    let Claimed { id, job, attempts } = claimed;
    let known = engine.jobs.iter().find(|known| known.name() == job);
    let ending = match known {
        // A replica died in every attempt before this one.
        _ if *attempts > ATTEMPTS => Ending::Failed("its replica died in every attempt".to_owned()),
        Some(job) => beside_heartbeat(engine, job, *id, lifecycle, grace).await,
        None => Ending::GivenBack,
    };
    match ending {
        Ending::Done => {
            tracing::info!(job, run = id, "a job is done");
            claim::succeeded(&engine.database, &engine.name, *id).await
        }
        Ending::Failed(problem) => {
            tracing::error!(job, run = id, attempts, problem, "a job failed");
            claim::failed(&engine.database, &engine.name, claimed, &problem).await
        }
        Ending::GivenBack => {
            tracing::info!(job, run = id, "a job is given back");
            claim::give_back(&engine.database, &engine.name, *id).await
        }
        Ending::Lost => {
            tracing::warn!(job, run = id, "a claim was lost");
            Ok(())
        }
    }
}

async fn beside_heartbeat(
    engine: &Engine,
    job: &Arc<dyn Job>,
    run: i64,
    lifecycle: &Lifecycle,
    grace: Duration,
) -> Ending {
    let context = JobContext { database: engine.database.clone() };
    let work = AssertUnwindSafe(job.run(&context)).catch_unwind();
    let over = async {
        lifecycle.reached(Stage::Draining).await;
        tokio::time::sleep(grace).await;
    };
    tokio::select! {
        result = work => match result {
            Ok(Ok(())) => Ending::Done,
            Ok(Err(error)) => Ending::Failed(error.to_string()),
            Err(_) => Ending::Failed("it panicked".to_owned()),
        },
        () = lost(engine, run) => Ending::Lost,
        () = over => Ending::GivenBack,
    }
}

/// Keeps the claim alive; returns when it is lost. A database that is away for a whole lease loses it.
async fn lost(engine: &Engine, run: i64) {
    let mut last = tokio::time::Instant::now();
    while last.elapsed() < LEASE {
        tokio::time::sleep(LEASE / 4).await;
        match claim::beat(&engine.database, &engine.name, run).await {
            Ok(true) => last = tokio::time::Instant::now(),
            Ok(false) => return,
            Err(error) => tracing::warn!(%error, run, "a heartbeat was not stored"),
        }
    }
}
