//! The job engine on a real Postgres, proved with toy jobs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crm_backend::jobs::engine::{Engine, Job, JobContext, JobError};
use crm_backend::{Database, Lifecycle, Stage};
use tokio::task::JoinHandle;

use crate::harness::{TestApp, eventually};

/// What a toy does when it runs.
#[derive(Debug, Clone, Copy)]
enum Does {
    Well,
    Fails,
    Panics,
    Hangs,
}

#[derive(Debug)]
struct Toy {
    does: Does,
    interval: Duration,
    begun: Arc<AtomicUsize>,
}

impl Toy {
    fn new(does: Does) -> Self {
        Self { does, interval: Duration::from_secs(3600), begun: Arc::default() }
    }
}

#[async_trait::async_trait]
impl Job for Toy {
    fn name(&self) -> &'static str {
        "toy"
    }

    fn interval(&self) -> Duration {
        self.interval
    }

    async fn run(&self, _: &JobContext) -> Result<(), JobError> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        match self.does {
            Does::Well => Ok(()),
            Does::Fails => Err(JobError::Other("on purpose".to_owned())),
            Does::Panics => panic!("on purpose"),
            Does::Hangs => std::future::pending().await,
        }
    }
}

fn replica(app: &TestApp, toy: &Arc<Toy>) -> (Lifecycle, JoinHandle<()>) {
    let lifecycle = Lifecycle::default();
    lifecycle.advance(Stage::Serving);
    let jobs: Vec<Arc<dyn Job>> = vec![toy.clone()];
    let engine = Engine::new(Database::lazy(app.state.settings()), jobs, "test");
    (lifecycle.clone(), tokio::spawn(engine.work(lifecycle, Duration::from_millis(100))))
}

async fn count(app: &TestApp, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&app.database.migrator).await.unwrap()
}

#[tokio::test]
async fn two_replicas_do_each_run_exactly_once() {
    let app = TestApp::start().await;
    let toy = Arc::new(Toy { interval: Duration::from_secs(1), ..Toy::new(Does::Well) });
    let replicas: Vec<_> = (0..3).map(|_| replica(&app, &toy)).collect();
    let done = "SELECT count(*) FROM scheduled_run WHERE outcome = 'succeeded'";
    eventually("three runs", async || count(&app, done).await >= 3).await;
    for (lifecycle, work) in replicas {
        lifecycle.advance(Stage::Draining);
        work.await.unwrap();
    }
    let attempts = "SELECT coalesce(sum(attempts), 0)::bigint FROM scheduled_run WHERE outcome = 'succeeded'";
    assert_eq!(count(&app, done).await, count(&app, attempts).await);
    assert_eq!(toy.begun.load(Ordering::SeqCst), usize::try_from(count(&app, attempts).await).unwrap());
}

#[tokio::test]
async fn a_failure_is_tried_again_later_and_told() {
    for does in [Does::Fails, Does::Panics] {
        let app = TestApp::start().await;
        let toy = Arc::new(Toy::new(does));
        let (_, work) = replica(&app, &toy);
        let waits = "SELECT count(*) FROM scheduled_run
                     WHERE error IS NOT NULL AND claimed_by IS NULL AND not_before > now() AND finished_at IS NULL";
        eventually("a wait after a failure", async || count(&app, waits).await == 1).await;
        assert_eq!(count(&app, "SELECT consecutive_failures::bigint FROM job_state").await, 1);
        work.abort();
    }
}

#[tokio::test]
async fn the_last_attempt_puts_the_run_aside() {
    let app = TestApp::start().await;
    let toy = Arc::new(Toy::new(Does::Fails));
    app.sql("INSERT INTO scheduled_run (job, scheduled_for, attempts) VALUES ('toy', now() - interval '1 day', 4)").await;
    let (_, work) = replica(&app, &toy);
    let dead = "SELECT count(*) FROM scheduled_run WHERE outcome = 'dead' AND error = 'on purpose'";
    eventually("a dead letter", async || count(&app, dead).await == 1).await;
    work.abort();
}

#[tokio::test]
async fn a_run_whose_replica_died_is_done_by_another() {
    let app = TestApp::start().await;
    app.sql(
        "INSERT INTO scheduled_run (job, scheduled_for, attempts, claimed_by, lease_until, heartbeat_at)
         VALUES ('toy', now() - interval '1 hour', 1, 'a dead replica', now() - interval '1 s', now())",
    )
    .await;
    let (_, work) = replica(&app, &Arc::new(Toy::new(Does::Well)));
    let done = "SELECT count(*) FROM scheduled_run WHERE outcome = 'succeeded' AND attempts = 2";
    eventually("the second replica's success", async || count(&app, done).await == 1).await;
    work.abort();
}

#[tokio::test]
async fn a_run_under_a_living_lease_is_left_alone() {
    let app = TestApp::start().await;
    app.sql(
        "INSERT INTO job_state (job, interval_seconds, next_run_at) VALUES ('toy', 3600, now() + interval '1 hour');
         INSERT INTO scheduled_run (job, scheduled_for, attempts, claimed_by, lease_until, heartbeat_at)
         VALUES ('toy', now() - interval '2 hours', 1, 'a living replica', now() + interval '1 hour', now());
         INSERT INTO scheduled_run (job, scheduled_for) VALUES ('toy', now() - interval '1 hour')",
    )
    .await;
    let toy = Arc::new(Toy::new(Does::Well));
    let (_, work) = replica(&app, &toy);
    // The older one comes first; whoever does the younger one has passed it over.
    let done = "SELECT count(*) FROM scheduled_run WHERE outcome = 'succeeded'";
    eventually("the free run", async || count(&app, done).await == 1).await;
    assert_eq!(toy.begun.load(Ordering::SeqCst), 1);
    let left = "SELECT count(*) FROM scheduled_run WHERE claimed_by = 'a living replica' AND attempts = 1";
    assert_eq!(count(&app, left).await, 1);
    work.abort();
}

#[tokio::test]
async fn a_draining_replica_gives_a_long_run_back() {
    let app = TestApp::start().await;
    let toy = Arc::new(Toy::new(Does::Hangs));
    let (lifecycle, work) = replica(&app, &toy);
    eventually("the run begins", async || toy.begun.load(Ordering::SeqCst) == 1).await;
    lifecycle.advance(Stage::Draining);
    work.await.unwrap();
    let free = "SELECT count(*) FROM scheduled_run
                WHERE claimed_by IS NULL AND attempts = 0 AND finished_at IS NULL AND not_before <= now()";
    assert_eq!(count(&app, free).await, 1);
}

#[tokio::test]
async fn a_replica_in_standby_does_nothing() {
    let app = TestApp::start().await;
    let every_second = || Arc::new(Toy { interval: Duration::from_secs(1), ..Toy::new(Does::Well) });
    let (idle, busy) = (every_second(), every_second());
    let lifecycle = Lifecycle::default();
    lifecycle.advance(Stage::Standby);
    let jobs: Vec<Arc<dyn Job>> = vec![idle.clone()];
    let engine = Engine::new(Database::lazy(app.state.settings()), jobs, "test");
    let stands_by = tokio::spawn(engine.work(lifecycle, Duration::ZERO));
    let (_, serves) = replica(&app, &busy);
    // Two that serve would share these.
    eventually("four runs", async || busy.begun.load(Ordering::SeqCst) >= 4).await;
    assert_eq!(idle.begun.load(Ordering::SeqCst), 0);
    stands_by.abort();
    serves.abort();
}
