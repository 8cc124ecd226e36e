//! The fakes keep the contracts that the real ones keep; else tests on them would prove nothing.

mod ledger {
    use async_trait::async_trait;
    use phases::engine::ledger::Ledger;
    use phases::testing::contract::ledger::Stand;
    use phases::testing::ledger::MemoryLedger;

    #[derive(Default)]
    struct Memory(MemoryLedger);

    #[async_trait]
    impl Stand for Memory {
        async fn open(&self) -> Box<dyn Ledger> {
            Box::new(self.0.another())
        }

        async fn kill(&self, ledger: Box<dyn Ledger>) {
            drop(ledger);
        }

        async fn run_out(&self) -> bool {
            false
        }

        async fn journal(&self) -> Vec<u8> {
            self.0.journal()
        }

        async fn set_journal(&self, bytes: &[u8]) {
            self.0.set_journal(bytes);
        }
    }

    phases::ledger_contract!(Memory::default());
}

mod simulated_ledger {
    use phases::testing::simulation::stand::SimulatedLedger;

    phases::ledger_contract!(SimulatedLedger::default());
}

mod platform {
    use std::sync::atomic::{AtomicU8, Ordering};
    use std::time::Duration;

    use async_trait::async_trait;
    use phases::engine::platform::Platform;
    use phases::release::ReleaseId;
    use phases::testing::contract::platform::Stand;
    use phases::testing::machine::Behaviour;
    use phases::testing::platform::FakePlatform;
    use phases::testing::scene::Scene;

    #[derive(Default)]
    struct Fake {
        platform: FakePlatform,
        provided: AtomicU8,
    }

    #[async_trait]
    impl Stand for Fake {
        fn platform(&self) -> &dyn Platform {
            &self.platform
        }

        async fn provide(&self, behaviour: Behaviour) -> ReleaseId {
            let id = Scene::release(self.provided.fetch_add(1, Ordering::SeqCst)).id;
            let mut machine = self.platform.machine();
            machine.present.insert(id.clone());
            machine.behaviour.insert(id.clone(), behaviour);
            id
        }

        async fn answers(&self) -> Option<ReleaseId> {
            self.platform.machine().answers().cloned()
        }

        fn patience(&self) -> Duration {
            Duration::from_secs(1)
        }

        async fn runs_itself(&self) -> bool {
            false
        }

        async fn pause(&self) {
            self.platform.machine().settle();
        }
    }

    phases::platform_contract!(Fake::default());
}
