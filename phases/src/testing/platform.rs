//! [`Machine`] behind the door `Platform`, with the fence. Passes the same contract suite as real platforms.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::engine::effects::{EffectContext, EffectOutcome, Evidence};
use crate::engine::failure::{Failure, FailureClass};
use crate::engine::platform::{Platform, PlatformState, PlatformUnreadable};
use crate::release::ReleaseId;
use crate::testing::machine::{Behaviour, Machine};

/// A platform in memory; clones share the machine.
#[derive(Debug, Clone, Default)]
pub struct FakePlatform {
    machine: Arc<Mutex<Machine>>,
}

impl FakePlatform {
    /// A platform around a machine.
    pub fn new(machine: Machine) -> Self {
        Self { machine: Arc::new(Mutex::new(machine)) }
    }

    /// The machine, to look at and to prepare.
    pub fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `effect` on the machine unless a newer run has been seen.
    fn fenced(&self, token: u64, effect: impl FnOnce(&mut Machine) -> EffectOutcome) -> EffectOutcome {
        let mut machine = self.machine();
        if token < machine.token {
            let message = format!("token {token} is older than {}", machine.token);
            return EffectOutcome::NotDone(Failure::new(FailureClass::LeaseLost, message));
        }
        machine.token = token;
        effect(&mut machine)
    }
}

/// Done with one line, or not done with one line.
pub(crate) fn outcome(done: bool, text: &str) -> EffectOutcome {
    if done {
        EffectOutcome::Done(Evidence { summary: text.to_owned(), ..Evidence::default() })
    } else {
        EffectOutcome::NotDone(Failure::new(FailureClass::Failed, text))
    }
}

#[async_trait]
impl Platform for FakePlatform {
    async fn state(&self) -> Result<PlatformState, PlatformUnreadable> {
        Ok(self.machine().state())
    }

    async fn fence(&self, token: u64) -> EffectOutcome {
        self.fenced(token, |_| outcome(true, "fence"))
    }

    async fn start(&self, release: &ReleaseId, context: &EffectContext<'_>) -> EffectOutcome {
        self.fenced(context.token, |machine| outcome(machine.start(release), "start"))
    }

    async fn await_ready(&self, release: &ReleaseId, context: &EffectContext<'_>) -> EffectOutcome {
        self.fenced(context.token, |machine| {
            let behaviour = machine.behaviour.get(release).copied().unwrap_or_default();
            let failed = |text: &str| {
                let failure = Failure::new(FailureClass::ReleaseFailed, text);
                EffectOutcome::NotDone(failure.detail([format!("{release}: last line of its log")]))
            };
            match behaviour {
                _ if !machine.runs(release) => failed("it does not run"),
                Behaviour::Exits => failed("it exited"),
                Behaviour::NeverReady => failed("it did not get ready in time"),
                Behaviour::Well => outcome(true, "ready"),
            }
        })
    }

    async fn shift(&self, to: &ReleaseId, context: &EffectContext<'_>) -> EffectOutcome {
        self.fenced(context.token, |machine| outcome(machine.shift(to), "shift"))
    }

    async fn restore(
        &self,
        to: Option<&ReleaseId>,
        from: &ReleaseId,
        context: &EffectContext<'_>,
    ) -> EffectOutcome {
        self.fenced(context.token, |machine| outcome(machine.restore(to, from), "restore"))
    }

    async fn stop(&self, release: &ReleaseId, context: &EffectContext<'_>) -> EffectOutcome {
        self.fenced(context.token, |machine| {
            machine.stop(release);
            outcome(true, "stop")
        })
    }

    async fn retire(&self, keep: &[ReleaseId], context: &EffectContext<'_>) -> EffectOutcome {
        self.fenced(context.token, |machine| {
            machine.retire(keep);
            outcome(true, "retire")
        })
    }
}
