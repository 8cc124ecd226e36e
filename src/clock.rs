//! Real time behind the engine's door. Counts the time a machine sleeps too: a lease runs out meanwhile.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use phases::engine::clock::Clock;
use rustix::time::{ClockId, clock_gettime};

/// The machine's clocks.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    start: Duration,
}

impl SystemClock {
    /// Begins to count.
    pub fn start() -> Self {
        Self { start: since_boot() }
    }
}

/// Time since the machine was started, asleep or awake. `Instant` stands still in a suspended laptop, so a run would
/// take a lease for fresh that ran out hours ago.
fn since_boot() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn elapsed(&self) -> Duration {
        since_boot().saturating_sub(self.start)
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn time_goes_on() {
        let clock = SystemClock::start();
        let first = clock.elapsed();
        clock.sleep(Duration::from_millis(2)).await;
        assert!(clock.elapsed() >= first + Duration::from_millis(2));
    }
}
