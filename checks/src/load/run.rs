//! A load from beginning to end: log in, fill in the requests, start the threads, gather what they saw.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use chrono::Utc;
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::LocalSet;

use super::dispatch::{Job, dispatch};
use super::histogram::Record;
use super::mix::Mix;
use super::report::{Facts, LoadReport};
use super::schedule::Schedule;
use super::series::Series;
use super::target::{Address, Route};
use super::worker::{Shared, work};
use super::{LoadError, LoadPlan};
use crate::outcome::Outcome;
use crate::scene::Scene;
use crate::schedule as order;
use crate::subject::Subject;
use crate::suite::{Check, Suite};
use crate::variables::Variables;

/// Time between the start of the threads and the first due time, so that it is not late already.
const LEAD: Duration = Duration::from_millis(20);

/// How far a load is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadProgress {
    /// Since the first due time.
    pub elapsed: Duration,
    /// How long requests leave.
    pub planned: Duration,
    /// Requests that left.
    pub sent: u64,
    /// Requests that were answered rightly.
    pub succeeded: u64,
    /// Requests that failed.
    pub failed: u64,
}

/// Is told about once a second how far the load is.
pub type ProgressObserver<'a> = &'a (dyn Fn(&LoadProgress) + Send + Sync);

/// Repeats the requests of `suite` against `subject` as `plan` says.
///
/// What the requests need (logins, captures) is run once before. Dropping the future stops the load.
///
/// # Errors
/// The load could not start. Whatever goes wrong later is counted in the report.
#[tracing::instrument(name = "load", skip_all, fields(suite = suite.name(), rate = plan.rate))]
pub async fn run_load(
    suite: &Suite,
    subject: &Subject,
    plan: &LoadPlan,
    variables: &Variables,
    progress: ProgressObserver<'_>,
) -> Result<LoadReport, LoadError> {
    plan.check()?;
    let routes = prepare(suite, subject, variables).await?;
    let address = Address::of(subject).await?;
    let started_at = Utc::now();
    let shared = Arc::new(Shared {
        mix: Mix::new(&routes.iter().map(|route| route.weight).collect::<Vec<_>>()),
        routes,
        address,
        timeout: plan.timeout,
        release: variables.release.clone(),
        start: Instant::now() + LEAD,
        stop: AtomicBool::new(false),
        sent: AtomicU64::new(0),
        succeeded: AtomicU64::new(0),
        failed: AtomicU64::new(0),
    });
    let _called_off = CallOff(Arc::clone(&shared));
    let schedule = Schedule::new(plan.rate, plan.duration);
    let threads = Threads::start(&shared, plan, schedule)?;
    let record = threads.gather(|| progress(&shared.progress(plan.duration))).await;
    progress(&shared.progress(plan.duration));
    let facts = Facts { plan, schedule, started_at, routes: &shared.routes, cpu: record.cpu };
    Ok(LoadReport::new(&facts, &record.seen))
}

impl Shared {
    fn progress(&self, planned: Duration) -> LoadProgress {
        LoadProgress {
            elapsed: self.start.elapsed(),
            planned,
            sent: self.sent.load(Ordering::Relaxed),
            succeeded: self.succeeded.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
        }
    }
}

/// Stops the threads when the load's future is dropped.
struct CallOff(Arc<Shared>);

impl Drop for CallOff {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

/// Runs what the requests depend on, then fills them in.
async fn prepare(suite: &Suite, subject: &Subject, variables: &Variables) -> Result<Vec<Route>, LoadError> {
    let weighted: Vec<(usize, u64)> = (0..suite.checks.len())
        .map(|at| (at, weight(suite, &suite.checks[at])))
        .filter(|(_, w)| *w > 0)
        .collect();
    if weighted.is_empty() {
        return Err(LoadError::NoRequests { suite: suite.name().to_owned() });
    }
    let before = weighted.iter().flat_map(|(at, _)| suite.checks[*at].after.iter().copied());
    let scene = Scene::new(subject, variables, &suite.sessions);
    let outcomes = order::run(suite, &order::closure(suite, before), &scene, &|_| {}).await;
    // What failed says more than what could not run because of it.
    let broken = outcomes.into_iter().filter(|outcome| outcome.outcome != Outcome::Passed);
    if let Some(broken) = broken.max_by_key(|outcome| outcome.outcome) {
        return Err(LoadError::Setup(Box::new(broken)));
    }
    let routes = weighted.into_iter().map(|(at, weight)| {
        let check = &suite.checks[at];
        let http = check.probe.request().expect("only requests have a weight");
        Route::new(suite.full_name(check), weight, http, &scene)
    });
    routes.collect()
}

/// A check's share of the load: what it says; else 1 for requests that change nothing, 0 for others
/// and for logins.
fn weight(suite: &Suite, check: &Check) -> u64 {
    let Some(http) = check.probe.request() else { return 0 };
    let is_login = suite.sessions.iter().any(|session| session.login == check.name.as_str());
    http.load_weight.unwrap_or(u64::from(http.method.is_safe() && !is_login))
}

/// What the threads saw and the share of a core that the busiest of them used.
struct Gathered {
    seen: Record,
    cpu: f64,
}

struct Threads {
    timer: JoinHandle<f64>,
    workers: Vec<JoinHandle<(Record, f64)>>,
}

impl Threads {
    fn start(shared: &Arc<Shared>, plan: &LoadPlan, schedule: Schedule) -> Result<Self, LoadError> {
        let limit = plan.connections.div_ceil(plan.workers);
        let mut senders: Vec<UnboundedSender<Job>> = Vec::new();
        let mut workers = Vec::new();
        for _ in 0..plan.workers {
            let (sender, jobs) = unbounded_channel();
            senders.push(sender);
            let record = Record::new(shared.routes.len(), Series::new(plan.duration));
            let shared = Arc::clone(shared);
            let worker = spawn("load-worker", move || measured(|| run_worker(shared, jobs, limit, record)))?;
            workers.push(worker);
        }
        let shared = Arc::clone(shared);
        let timer = spawn("load-timer", move || {
            measured(|| dispatch(schedule, shared.start, &senders, &shared.stop)).1
        })?;
        Ok(Self { timer, workers })
    }

    /// Waits for all threads, calling `tick` about once a second.
    async fn gather(self, tick: impl Fn()) -> Gathered {
        let mut joined = tokio::task::spawn_blocking(move || {
            let mut cpu = self.timer.join().expect("the timer does not panic");
            let mut seen: Option<Record> = None;
            for worker in self.workers {
                let (record, share) = worker.join().expect("a worker does not panic");
                cpu = cpu.max(share);
                match &mut seen {
                    Some(seen) => seen.add(&record),
                    None => seen = Some(record),
                }
            }
            Gathered { seen: seen.expect("a plan has workers"), cpu }
        });
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                gathered = &mut joined => return gathered.expect("joining does not panic"),
                _ = ticks.tick() => tick(),
            }
        }
    }
}

fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, LoadError> {
    thread::Builder::new().name(name.to_owned()).spawn(run).map_err(LoadError::Thread)
}

fn run_worker(shared: Arc<Shared>, jobs: UnboundedReceiver<Job>, limit: usize, record: Record) -> Record {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime needs one file descriptor, and the process has some");
    LocalSet::new().block_on(&runtime, work(shared, jobs, limit, record))
}

/// The result of `run` and the share of a core that this thread used meanwhile.
fn measured<T>(run: impl FnOnce() -> T) -> (T, f64) {
    let (cpu, start) = (cpu_seconds(), Instant::now());
    let result = run();
    let share = (cpu_seconds() - cpu) / start.elapsed().as_secs_f64().max(1e-9);
    (result, share)
}

#[expect(clippy::cast_precision_loss, reason = "seconds stay below 2^53")]
fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
