//! What is asked of a load.

use std::time::Duration;

use super::LoadError;

/// Nobody waits longer for a page.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Requests per second that one thread makes with ease.
const RATE_OF_A_WORKER: f64 = 5_000.0;

/// How much load, for how long, over how many connections.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadPlan {
    /// Requests per second.
    pub rate: f64,
    /// How long requests leave; answers are awaited for [`LoadPlan::timeout`] after that.
    pub duration: Duration,
    /// The most connections open at a time; they are opened when no idle one is left.
    pub connections: usize,
    /// How long after its due time a request may be answered; later it is a failure.
    pub timeout: Duration,
    /// Threads that make requests, beside the one that keeps time.
    pub workers: usize,
}

impl LoadPlan {
    /// A plan with a sensible number of connections (as many as requests can be under way before they time out,
    /// from 8 to 512, which leaves room below the usual limit of open files) and threads. Too few would make a
    /// slow service look like a busy generator.
    #[must_use]
    pub fn new(rate: f64, duration: Duration) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            rate,
            duration,
            connections: whole(rate * TIMEOUT.as_secs_f64()).clamp(8, 512),
            timeout: TIMEOUT,
            workers: whole(rate / RATE_OF_A_WORKER).clamp(1, cores),
        }
    }

    pub(crate) fn check(&self) -> Result<(), LoadError> {
        let problem = if !(self.rate.is_finite() && self.rate > 0.0 && self.rate <= 1e6) {
            format!("a rate of {} requests/s", self.rate)
        } else if self.duration.is_zero() || self.duration > Duration::from_secs(86_400) {
            format!("a duration of {} s", self.duration.as_secs_f64())
        } else if self.timeout.is_zero() {
            "a timeout of 0 s".to_owned()
        } else if self.connections == 0 || self.workers == 0 {
            "no connections or no workers".to_owned()
        } else {
            return Ok(());
        };
        Err(LoadError::Plan { problem })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped by the callers; `as` saturates"
)]
fn whole(number: f64) -> usize {
    number.ceil() as usize
}
