//! A thread that makes requests: a pool of connections, and a queue for when all of them are busy.
//! Work that waits is sent late, never dropped.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout_at;

use super::connection::{Answered, Connection};
use super::dispatch::Job;
use super::failure::Cause;
use super::histogram::Record;
use super::mix::Mix;
use super::target::{Address, Route};

/// What all threads of a load share.
pub(crate) struct Shared {
    pub(crate) routes: Vec<Route>,
    pub(crate) mix: Mix,
    pub(crate) address: Address,
    pub(crate) timeout: Duration,
    /// The release that has to answer, when the run knows it.
    pub(crate) release: Option<String>,
    pub(crate) start: Instant,
    pub(crate) stop: AtomicBool,
    pub(crate) sent: AtomicU64,
    pub(crate) succeeded: AtomicU64,
    pub(crate) failed: AtomicU64,
}

/// Makes the requests that come in `jobs` over at most `limit` connections, until there are no more and
/// all are answered or given up.
pub(crate) async fn work(
    shared: Arc<Shared>,
    mut jobs: UnboundedReceiver<Job>,
    limit: usize,
    record: Record,
) -> Record {
    let pool = Rc::new(Pool {
        shared,
        limit,
        record: RefCell::new(record),
        state: RefCell::default(),
        idle_again: Notify::new(),
    });
    while let Some(job) = jobs.recv().await {
        let turned = pool.now();
        pool.record.borrow_mut().turned_to(job.due, turned);
        Pool::assign(&pool, Turned { job, at: turned });
    }
    while pool.state.borrow().busy > 0 && !pool.shared.stop.load(Ordering::Relaxed) {
        // Looks up now and then in case the load was called off.
        drop(tokio::time::timeout(Duration::from_millis(50), pool.idle_again.notified()).await);
    }
    pool.record.replace(Record::new(0, super::series::Series::new(Duration::ZERO)))
}

/// A request that the generator has turned to: from here on it waits for a connection only.
#[derive(Debug, Clone, Copy)]
struct Turned {
    job: Job,
    /// After the start.
    at: Duration,
}

struct Pool {
    shared: Arc<Shared>,
    limit: usize,
    record: RefCell<Record>,
    state: RefCell<State>,
    idle_again: Notify,
}

#[derive(Default)]
struct State {
    /// Connections that wait for work, the last used on top: few requests keep few connections warm.
    idle: Vec<oneshot::Sender<Turned>>,
    waiting: VecDeque<Turned>,
    lanes: usize,
    busy: usize,
}

impl Pool {
    fn now(&self) -> Duration {
        self.shared.start.elapsed()
    }

    /// The request goes to a connection; false when it has waited for one until nobody waits for it any more.
    fn departs(&self, Turned { job, at }: Turned) -> bool {
        let now = self.now();
        let in_time = now < job.due + self.shared.timeout;
        self.record.borrow_mut().queued(at, now, in_time);
        if in_time {
            self.shared.sent.fetch_add(1, Ordering::Relaxed);
        }
        in_time
    }

    /// Gives the job to an idle connection, to a new one, or to the queue.
    fn assign(pool: &Rc<Self>, mut job: Turned) {
        let state = &mut *pool.state.borrow_mut();
        while let Some(lane) = state.idle.pop() {
            match lane.send(job) {
                Ok(()) => {
                    state.busy += 1;
                    return;
                }
                Err(returned) => job = returned,
            }
        }
        if state.lanes < pool.limit {
            state.lanes += 1;
            state.busy += 1;
            tokio::task::spawn_local(Self::lane(Rc::clone(pool), job));
        } else {
            state.waiting.push_back(job);
        }
    }

    /// One connection and the requests that go over it, one after the other.
    async fn lane(pool: Rc<Self>, mut job: Turned) {
        let mut connection = Connection::to(&pool.shared.address);
        loop {
            if pool.departs(job) {
                pool.perform(job.job, &mut connection).await;
            } else {
                // The connection is healthy: what came too late must not close it.
                pool.failed(job.job, Cause::Timeout);
            }
            let next = {
                let state = &mut *pool.state.borrow_mut();
                match state.waiting.pop_front() {
                    Some(next) => Ok(next),
                    None => {
                        let (sender, receiver) = oneshot::channel();
                        state.idle.push(sender);
                        state.busy -= 1;
                        Err(receiver)
                    }
                }
            };
            job = match next {
                Ok(next) => next,
                Err(receiver) => {
                    pool.idle_again.notify_one();
                    match receiver.await {
                        Ok(next) => next,
                        Err(_) => return,
                    }
                }
            };
        }
    }

    async fn perform(&self, job: Job, connection: &mut Connection<'_>) {
        let route = &self.shared.routes[self.shared.mix.route(job.index)];
        let deadline = self.shared.start + job.due + self.shared.timeout;
        let opened = connection.opened;
        let answered = match timeout_at(deadline.into(), connection.ask(route)).await {
            Ok(answered) => answered,
            Err(_) => {
                connection.close();
                Err(Cause::Timeout)
            }
        };
        self.record.borrow_mut().opened += connection.opened - opened;
        match answered.and_then(|answer| self.right(route, answer)) {
            Ok(answer) => self.succeeded(job, &answer),
            Err(cause) => self.failed(job, cause),
        }
    }

    /// The answer, when it is that of the right release and has a status that is expected.
    fn right(&self, route: &Route, answer: Answered) -> Result<Answered, Cause> {
        if let Some(release) = &answer.release {
            self.record.borrow_mut().answered_by(release.as_bytes());
            if self.shared.release.as_ref().is_some_and(|expected| release != expected) {
                return Err(Cause::WrongRelease);
            }
        }
        if route.accepts(answer.status) { Ok(answer) } else { Err(Cause::Status(answer.status)) }
    }

    fn succeeded(&self, job: Job, answer: &Answered) {
        let now = Instant::now();
        let response = now.saturating_duration_since(self.shared.start + job.due);
        let service = now.saturating_duration_since(answer.left);
        let record = &mut *self.record.borrow_mut();
        record.routes[self.shared.mix.route(job.index)].succeeded(response, service, answer.spent);
        record.series.succeeded(job.due, response);
        self.shared.succeeded.fetch_add(1, Ordering::Relaxed);
    }

    fn failed(&self, job: Job, cause: Cause) {
        let response = Instant::now().saturating_duration_since(self.shared.start + job.due);
        let record = &mut *self.record.borrow_mut();
        record.routes[self.shared.mix.route(job.index)].failed(response, cause);
        record.series.failed(job.due);
        self.shared.failed.fetch_add(1, Ordering::Relaxed);
    }
}
