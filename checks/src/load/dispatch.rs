//! The thread that keeps time: it hands every request to a worker when it is due, and does nothing else.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use super::schedule::Schedule;

/// How long it sleeps at most before it looks whether the load was called off.
const NAP: Duration = Duration::from_millis(50);

/// A request that is due.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job {
    pub(crate) index: u64,
    /// After the start.
    pub(crate) due: Duration,
}

/// Hands out every request of `schedule`; returns early when `stop` is set or the workers are gone.
pub(crate) fn dispatch(
    schedule: Schedule,
    start: Instant,
    workers: &[UnboundedSender<Job>],
    stop: &AtomicBool,
) {
    // By default the kernel may wake a sleeper 50 µs late to save power. Without the right to change
    // that, the lateness is larger and reported as such.
    if let Err(error) = rustix::thread::set_current_timer_slack(NonZeroU64::new(1)) {
        tracing::debug!(%error, "timer slack not set");
    }
    for (index, worker) in (0..schedule.count()).zip(workers.iter().cycle()) {
        let due = schedule.due(index);
        if !sleep_until(start + due, stop) || worker.send(Job { index, due }).is_err() {
            return;
        }
    }
}

/// Sleeps until `time`; false when called off.
fn sleep_until(time: Instant, stop: &AtomicBool) -> bool {
    loop {
        let left = time.saturating_duration_since(Instant::now());
        if stop.load(Ordering::Relaxed) {
            return false;
        }
        if left.is_zero() {
            return true;
        }
        sleep(left.min(NAP));
    }
}
