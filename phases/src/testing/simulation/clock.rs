//! The door `Clock` as one process sees it: its own rate, its own offset, and no time while its machine sleeps.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::engine::clock::Clock;
use crate::testing::simulation::stage::Stage;
use crate::testing::simulation::timeline::Pid;

/// The clocks of one process.
#[derive(Debug)]
pub(crate) struct OwnClock {
    pub stage: Arc<Stage>,
    pub pid: Pid,
}

#[async_trait]
impl Clock for OwnClock {
    fn now(&self) -> DateTime<Utc> {
        let zero = DateTime::from_timestamp(1_795_521_600, 0).expect("2026-11-24 is a time");
        zero + self.stage.state().wall(self.pid)
    }

    fn elapsed(&self) -> Duration {
        self.stage.state().shown(self.pid)
    }

    async fn sleep(&self, duration: Duration) {
        let real = self.stage.state().processes[self.pid].rate.real(duration);
        self.stage.sleep(self.pid, real).await;
    }
}
