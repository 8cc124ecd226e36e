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

use super::connection::Connection;
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
        pool.departs(job);
        Pool::assign(&pool, job);
    }
    while pool.state.borrow().busy > 0 && !pool.shared.stop.load(Ordering::Relaxed) {
        // Looks up now and then in case the load was called off.
        drop(tokio::time::timeout(Duration::from_millis(50), pool.idle_again.notified()).await);
    }
    pool.record.replace(Record::new(0, super::series::Series::new(Duration::ZERO)))
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
    idle: Vec<oneshot::Sender<Job>>,
    waiting: VecDeque<Job>,
    lanes: usize,
    busy: usize,
}

impl Pool {
    fn now(&self) -> Duration {
        self.shared.start.elapsed()
    }

    fn departs(&self, job: Job) {
        self.record.borrow_mut().departed(job.due, self.now());
        self.shared.sent.fetch_add(1, Ordering::Relaxed);
    }

    /// Gives the job to an idle connection, to a new one, or to the queue.
    fn assign(pool: &Rc<Self>, mut job: Job) {
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
    async fn lane(pool: Rc<Self>, mut job: Job) {
        let mut connection = Connection::to(&pool.shared.address);
        loop {
            pool.perform(job, &mut connection).await;
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
        let at = self.shared.mix.route(job.index);
        let route = &self.shared.routes[at];
        let deadline = self.shared.start + job.due + self.shared.timeout;
        let opened = connection.opened;
        let answered = match timeout_at(deadline.into(), connection.ask(route)).await {
            Ok(answered) => answered,
            Err(_) => {
                connection.close();
                Err(Cause::Timeout)
            }
        };
        let now = Instant::now();
        let response = now.saturating_duration_since(self.shared.start + job.due);
        let record = &mut *self.record.borrow_mut();
        record.opened += connection.opened - opened;
        let failure = match answered {
            Ok(answer) if route.accepts(answer.status) => {
                let service = now.saturating_duration_since(answer.left);
                record.routes[at].succeeded(response, service, answer.spent);
                record.series.succeeded(job.due, response);
                self.shared.succeeded.fetch_add(1, Ordering::Relaxed);
                return;
            }
            Ok(answer) => Cause::Status(answer.status),
            Err(cause) => cause,
        };
        record.routes[at].failed(response, failure);
        record.series.failed(job.due);
        self.shared.failed.fetch_add(1, Ordering::Relaxed);
    }
}
