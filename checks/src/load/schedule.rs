//! When each request is due: start + index / rate, never "the last one + a period", so that nothing
//! that is late makes what follows late.

use std::time::Duration;

/// The due times of a load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    rate: f64,
    count: u64,
}

impl Schedule {
    /// Every request that is due before `duration` is over.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a plan is at most 1e6/s for a day"
    )]
    pub(crate) fn new(rate: f64, duration: Duration) -> Self {
        // A product like 0.1 × 30 comes out a hair above 3: that is no fourth request.
        let count = (rate * duration.as_secs_f64() - 1e-9).ceil().max(1.0);
        Self { rate, count: count as u64 }
    }

    /// How many requests there are.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// How long after the start request `index` is due.
    #[expect(clippy::cast_precision_loss, reason = "indexes stay below 2^53")]
    pub(crate) fn due(&self, index: u64) -> Duration {
        Duration::from_secs_f64(index as f64 / self.rate)
    }

    /// The time between two requests.
    pub(crate) fn period(&self) -> Duration {
        Duration::from_secs_f64(1.0 / self.rate)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn due_times_never_drift_or_go_back(rate in 0.01_f64..100_000.0, index in 0_u64..10_000_000) {
            let schedule = Schedule::new(rate, Duration::from_secs(1));
            let exact = index as f64 / rate;
            let due = schedule.due(index);
            prop_assert!((due.as_secs_f64() - exact).abs() <= 1e-9 + exact * 1e-12);
            prop_assert!(schedule.due(index + 1) >= due);
        }

        #[test]
        fn every_request_is_due_before_the_end(rate in 0.01_f64..5_000.0, millis in 1_u64..60_000) {
            let duration = Duration::from_millis(millis);
            let schedule = Schedule::new(rate, duration);
            prop_assert!(schedule.due(schedule.count() - 1) <= duration);
            prop_assert!(schedule.due(schedule.count()) + Duration::from_nanos(2) >= duration);
        }
    }

    #[test]
    fn whole_products_are_not_rounded_up() {
        assert_eq!(Schedule::new(100.0, Duration::from_secs(5)).count(), 500);
        assert_eq!(Schedule::new(0.1, Duration::from_secs(30)).count(), 3);
        assert_eq!(Schedule::new(3.0, Duration::from_millis(100)).count(), 1);
    }
}
