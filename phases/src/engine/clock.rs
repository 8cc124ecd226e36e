//! The door to time. Nothing else in this crate may ask what time it is or wait.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

/// Time as a run sees it: real, or virtual in a simulation.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Wall clock, for records.
    fn now(&self) -> DateTime<Utc>;

    /// Monotonic time since some start, for durations and lease safety.
    fn elapsed(&self) -> Duration;

    /// Waits.
    async fn sleep(&self, duration: Duration);
}
