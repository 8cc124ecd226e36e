//! The process platform keeps the promises of every platform, on real processes.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use crmctl::platform::process::ProcessPlatform;
use phases::engine::platform::Platform;
use phases::release::ReleaseId;
use phases::testing::contract::platform::Stand;
use phases::testing::machine::Behaviour;

use super::machine::{DEADLINE, Machine};

/// A machine with releases that behave as asked.
struct ProcessStand {
    machine: Machine,
    platform: ProcessPlatform,
    provided: AtomicU32,
}

fn stand() -> ProcessStand {
    let mut machine = Machine::new();
    machine.ready_deadline = Duration::from_secs(3);
    let platform = machine.platform(&[]);
    ProcessStand { machine, platform, provided: AtomicU32::new(0) }
}

#[async_trait]
impl Stand for ProcessStand {
    fn platform(&self) -> &dyn Platform {
        &self.platform
    }

    async fn provide(&self, behaviour: Behaviour) -> ReleaseId {
        let number = self.provided.fetch_add(1, Ordering::SeqCst);
        match behaviour {
            Behaviour::Well => self.machine.release(number),
            Behaviour::Exits => self.machine.release_told(number, "JWT_SECRET=short"),
            Behaviour::NeverReady => self.machine.release_told(number, "CRM_FAULT=never_ready"),
        }
    }

    async fn answers(&self) -> Option<ReleaseId> {
        self.machine.answering().map(|release| release.parse().unwrap())
    }

    async fn runs_itself(&self) -> bool {
        self.machine.supervisor_lives()
    }

    fn patience(&self) -> Duration {
        DEADLINE
    }

    async fn pause(&self) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Promises leave things running; whatever they leave, `down` ends it.
impl Drop for ProcessStand {
    fn drop(&mut self) {
        let platform = self.platform.clone();
        // A runtime of its own: this may run inside another one.
        let down = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(platform.down(u64::from(u32::MAX)))
        });
        let result = down.join().unwrap();
        if !std::thread::panicking() {
            result.unwrap();
        }
    }
}

phases::platform_contract!(stand());
