//! A person's word, written down as a run of its own without phases: a release is rejected or freed, a stuck
//! environment is settled.

use serde_json::{Value, json};

use crate::engine::conclusion::Conclusion;
use crate::engine::history::decision::{Verdict, draft_values};
use crate::engine::journal::Kind;
use crate::engine::ledger::Lease;
use crate::engine::report::RunReport;
use crate::engine::resume::Progress;
use crate::engine::run::Engine;
use crate::engine::run::active::{Active, Halt};
use crate::plan::{Plan, Recovery, Target};

impl Engine<'_> {
    /// Rejects a release or frees it again (`crmctl release block|unblock`).
    pub async fn decide(
        &self,
        lease: &Lease,
        environment: &str,
        target: &Target,
        verdict: Verdict<'_>,
    ) -> RunReport {
        let plan = word(environment, "release", Some(target.clone()));
        let mut active = Active::new(*self, lease, Progress::new(lease.run.clone(), plan));
        let written = active.write_decision(target, verdict).await;
        active.settle_with(written).await
    }

    /// Says that a person took the lease away from another run, and why (`crmctl unlock`).
    pub async fn unlocked(&self, lease: &Lease, environment: &str, from: &Lease, reason: &str) -> RunReport {
        let plan = word(environment, "unlock", None);
        let mut active = Active::new(*self, lease, Progress::new(lease.run.clone(), plan));
        let written = active.write_word(json!({"reason": reason, "from": from})).await;
        active.settle_with(written).await
    }

    /// Says that a person has looked at a stuck environment (`crmctl resolve`).
    pub async fn resolve(&self, lease: &Lease, environment: &str, reason: &str) -> RunReport {
        let plan = word(environment, "resolve", None);
        let mut active = Active::new(*self, lease, Progress::new(lease.run.clone(), plan));
        let written = active.write_word(json!({"reason": reason})).await;
        active.settle_with(written).await
    }
}

impl Active<'_> {
    async fn write_decision(&mut self, target: &Target, verdict: Verdict<'_>) -> Result<(), Halt> {
        self.pin_plan().await?;
        self.record(Kind::Verdict, None, draft_values(target, verdict)).await?;
        self.end(Conclusion::Done, None).await
    }

    async fn write_word(&mut self, observed: Value) -> Result<(), Halt> {
        let desired = serde_json::to_value(&*self.plan).expect("plain data always has JSON");
        self.record(Kind::Plan, None, [observed, desired, Value::Null]).await?;
        self.end(Conclusion::Done, None).await
    }

    async fn settle_with(self, written: Result<(), Halt>) -> RunReport {
        match written {
            Ok(()) => self.report(Conclusion::Done, None),
            Err(halt) => self.abandon(halt).await,
        }
    }
}

/// A plan of nothing but a word.
fn word(environment: &str, verb: &str, target: Option<Target>) -> Plan {
    Plan {
        environment: environment.to_owned(),
        verb: verb.to_owned(),
        release: None,
        target,
        previous: None,
        fingerprint: String::new(),
        phases: Vec::new(),
        proves: false,
        recovery: Recovery::default(),
    }
}
