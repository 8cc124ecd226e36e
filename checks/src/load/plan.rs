//! What is asked of a load.

use std::time::Duration;

use super::LoadError;
use super::threshold::Thresholds;

/// Nobody waits longer for a page.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A request that leaves this late was not sent as asked. It is a twentieth of the runbook's 500 ms, and several turns of
/// a busy scheduler: lateness only makes figures worse.
const LATE: Duration = Duration::from_millis(25);

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
    /// How late a request may leave (95 of 100 have to be in time); a load of later ones says nothing.
    pub late: Duration,
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
            late: LATE,
        }
    }

    /// The same for a load that is judged by these targets: what leaves late by a twentieth of the tightest of them
    /// that is a time still says whether they are met.
    #[must_use]
    pub fn judged_by(self, thresholds: &Thresholds) -> Self {
        let times = thresholds.targets().iter().filter(|target| target.figure.unit().0 == "ms");
        let tightest = times.map(|target| target.below).min().unwrap_or_default();
        Self { late: LATE.max(Duration::from_millis(tightest) / 20), ..self }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_judged_by_longer_times_may_leave_later_and_nobody_has_to_be_earlier() {
        let of = |below: u64| {
            let text = format!(
                "schema = 1\n[threshold.api]\nfigure = \"api\"\nstatistic = \"max\"\nbelow_ms = {below}\nmin_samples = 1\n\
                 source = \"x\"\nowner = \"dev\"\nseverity = \"major\"\n"
            );
            let thresholds = Thresholds::parse("thresholds.toml", &text).unwrap();
            LoadPlan::new(1.0, Duration::from_secs(1)).judged_by(&thresholds).late
        };
        assert_eq!(of(30_000), Duration::from_millis(1_500));
        assert_eq!((of(500), of(100)), (LATE, LATE));
    }
}
