//! A whole world in memory behind the door `Effects`: builds, a database, jobs and a [`FakePlatform`], with
//! faults that a test plants. Follows the same contracts as the real effects.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures_util::future::join_all;
use serde_json::json;

use crate::engine::effects::{EffectContext, EffectOutcome, Effects, Evidence, Probe};
use crate::engine::failure::{CheckEvidence, CheckOutcome, Failure, FailureClass};
use crate::engine::platform::{Platform, Role};
use crate::engine::step::{Action, Requirement, Subject, Undo};
use crate::release::ReleaseId;
use crate::testing::fault::{Call, FENCE, Fault, Kind};
use crate::testing::machine::Machine;
use crate::testing::platform::{FakePlatform, outcome};

/// A database that runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Database {
    /// Applied versions.
    pub applied: BTreeSet<i64>,
    /// The seed is in.
    pub seeded: bool,
    /// Applied versions whose files are not as they were when they were applied.
    pub drifted: BTreeSet<i64>,
}

/// Everything outside the platform.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Site {
    /// Releases built, with their digests.
    pub built: BTreeMap<ReleaseId, String>,
    /// The database's data; it outlives its server.
    pub database: Database,
    /// The database server runs.
    pub database_runs: bool,
    /// The jobs' flag.
    pub jobs: bool,
    /// Requirements that are not met.
    pub unmet: BTreeSet<String>,
    /// What suites and loads say of a release; absent = passed.
    pub verdicts: BTreeMap<ReleaseId, CheckOutcome>,
}

/// A world: site, platform and planted faults.
#[derive(Debug, Default)]
pub struct FakeWorld {
    /// The platform.
    pub platform: FakePlatform,
    site: Mutex<Site>,
    faults: Mutex<Vec<Fault>>,
    fired: Mutex<Vec<Fault>>,
    blind: Mutex<bool>,
}

impl Clone for FakeWorld {
    /// A world of its own in the same state, without faults.
    fn clone(&self) -> Self {
        let platform = FakePlatform::new(self.platform.machine().clone());
        Self { platform, site: Mutex::new(self.site().clone()), ..Self::default() }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FakeWorld {
    /// Everything outside the platform, to look at and to prepare.
    pub fn site(&self) -> MutexGuard<'_, Site> {
        lock(&self.site)
    }

    /// The whole world as values.
    pub fn snapshot(&self) -> (Site, Machine) {
        (self.site().clone(), self.platform.machine().clone())
    }

    /// Plants a fault.
    pub fn plant(&self, fault: Fault) {
        lock(&self.faults).push(fault);
    }

    /// Faults that have struck, in order.
    pub fn fired(&self) -> Vec<Fault> {
        lock(&self.fired).clone()
    }

    /// Whoever was blind sees again: what an operator who comes later meets.
    pub fn see_again(&self) {
        *lock(&self.blind) = false;
    }

    /// Takes out what was planted and has not struck, and puts changed files back.
    pub fn mend(&self) {
        lock(&self.faults).clear();
        self.site().database.drifted.clear();
        self.see_again();
    }

    fn strike(&self, call: Call, step: &str) -> Option<Kind> {
        let mut faults = lock(&self.faults);
        let position = faults.iter().position(|fault| fault.call == call && fault.step == step)?;
        let fault = faults.remove(position);
        let kind = fault.kind;
        lock(&self.fired).push(fault);
        *lock(&self.blind) |= kind == Kind::Blind;
        Some(kind)
    }

    async fn with_faults(
        &self,
        call: Call,
        step: &str,
        effect: impl Future<Output = EffectOutcome> + Send,
    ) -> EffectOutcome {
        let kind = self.strike(call, step);
        let failure = |class| Failure::new(class, format!("planted in `{step}`"));
        match kind {
            None => effect.await,
            Some(Kind::Before(class)) => EffectOutcome::NotDone(failure(class)),
            Some(Kind::Lost) => EffectOutcome::Unknown(failure(FailureClass::Failed)),
            Some(Kind::Unheard | Kind::Blind) => {
                effect.await;
                EffectOutcome::Unknown(failure(FailureClass::Failed))
            }
            Some(Kind::Fenced) => {
                effect.await;
                EffectOutcome::Unknown(failure(FailureClass::LeaseLost))
            }
            Some(Kind::Hangs) => {
                effect.await;
                std::future::pending().await
            }
        }
    }

    async fn effect(&self, action: &Action, context: &EffectContext<'_>) -> EffectOutcome {
        match action {
            Action::Require { requirement } => self.require(*requirement),
            Action::BuildBackend { release } => self.build(&release.id),
            Action::BuildImage { .. } => outcome(true, "packed"),
            Action::EnsureDatabase => self.change(|site| site.database_runs = true),
            Action::Migrate { versions, .. } => self.migrate(versions),
            Action::Seed { .. } => self.on_database(|site| site.database.seeded = true),
            Action::StartJobs => self.on_database(|site| site.jobs = true),
            Action::StartRelease { release } => self.platform.start(release, context).await,
            Action::AwaitReady { release } => self.platform.await_ready(release, context).await,
            Action::ShiftTraffic { to, .. } => self.platform.shift(to, context).await,
            Action::StopLeftovers { releases } => {
                let stops = releases.iter().map(|release| self.platform.stop(release, context));
                join_all(stops).await.pop().unwrap_or_else(|| outcome(true, "stopped"))
            }
            Action::RetireReleases { keep } => {
                let outcome = self.platform.retire(keep, context).await;
                let present = self.platform.machine().present.clone();
                self.site().built.retain(|id, _| present.contains(id));
                outcome
            }
            Action::RunSuite { subject, .. } | Action::RunLoad { subject, .. } => self.check(subject),
        }
    }

    fn change(&self, change: impl FnOnce(&mut Site)) -> EffectOutcome {
        change(&mut self.site());
        outcome(true, "changed")
    }

    fn on_database(&self, change: impl FnOnce(&mut Site)) -> EffectOutcome {
        let runs = self.site().database_runs;
        if runs { self.change(change) } else { outcome(false, "the database does not run") }
    }

    fn migrate(&self, versions: &[i64]) -> EffectOutcome {
        if self.has_drifted() {
            let failure = Failure::new(FailureClass::Refused, "an applied migration was edited");
            return EffectOutcome::NotDone(failure.hint("put the file back"));
        }
        self.on_database(|site| site.database.applied.extend(versions.iter().copied()))
    }

    fn has_drifted(&self) -> bool {
        !self.site().database.drifted.is_empty()
    }

    fn require(&self, requirement: Requirement) -> EffectOutcome {
        let name = format!("{requirement:?}").to_lowercase();
        let drifted = requirement == Requirement::Migrations && self.has_drifted();
        if drifted || self.site().unmet.contains(&name) {
            let failure = Failure::new(FailureClass::Refused, format!("`{name}` is not met"));
            return EffectOutcome::NotDone(failure.hint(format!("mend {name}")));
        }
        outcome(true, &name)
    }

    fn build(&self, id: &ReleaseId) -> EffectOutcome {
        let digest = format!("sha256:{}", id.as_str());
        self.site().built.insert(id.clone(), digest.clone());
        self.platform.machine().present.insert(id.clone());
        let facts = json!({"digest": digest});
        EffectOutcome::Done(Evidence { summary: "built".to_owned(), facts, checks: Vec::new() })
    }

    /// A suite passes when the release it is aimed at answers there and nothing is planted against it.
    fn check(&self, subject: &Subject) -> EffectOutcome {
        let machine = self.platform.machine();
        let (release, answers) = match subject {
            Subject::Candidate { release } => (Some(release), machine.runs(release)),
            Subject::Public { release: Some(release) } => (Some(release), machine.answers() == Some(release)),
            Subject::Public { release: None } => (machine.answers(), machine.answers().is_some()),
        };
        let site = self.site();
        let planted = release.and_then(|release| site.verdicts.get(release).copied());
        let verdict = planted.unwrap_or(if answers { CheckOutcome::Passed } else { CheckOutcome::Failed });
        let check = CheckEvidence {
            check: "smoke/health".to_owned(),
            outcome: verdict,
            expected: None,
            actual: None,
            owner: None,
            hint: None,
            duration_ms: 1.0,
        };
        let failed = |class| EffectOutcome::NotDone(Failure::new(class, "smoke/health").checks(vec![check]));
        match verdict {
            CheckOutcome::Passed => outcome(true, "1 of 1"),
            CheckOutcome::Failed => failed(FailureClass::CheckFailed),
            CheckOutcome::Errored => failed(FailureClass::CheckErrored),
        }
    }

    fn is_so(&self, action: &Action) -> bool {
        let (site, machine) = (self.site(), self.platform.machine());
        match action {
            Action::BuildBackend { release } | Action::BuildImage { release } => {
                site.built.contains_key(&release.id) && machine.present.contains(&release.id)
            }
            Action::EnsureDatabase => site.database_runs,
            Action::Migrate { versions, .. } => {
                let applied = |version| site.database.applied.contains(version);
                site.database.drifted.is_empty() && versions.iter().all(applied)
            }
            Action::Seed { .. } => site.database.seeded,
            Action::StartJobs => site.jobs,
            Action::StartRelease { release } => machine.runs(release),
            Action::ShiftTraffic { to, .. } => machine.answers() == Some(to),
            Action::StopLeftovers { releases } => {
                let idle = |(id, role): &(ReleaseId, Role)| *role == Role::Candidate && releases.contains(id);
                !machine.instances.iter().any(idle)
            }
            Action::RetireReleases { keep } => {
                let busy = |id: &ReleaseId| machine.instances.iter().any(|(running, _)| running == id);
                machine.present.iter().all(|id| keep.contains(id) || busy(id))
            }
            Action::Require { .. }
            | Action::AwaitReady { .. }
            | Action::RunSuite { .. }
            | Action::RunLoad { .. } => panic!("an observation was probed: {action:?}"),
        }
    }
}

#[async_trait]
impl Effects for FakeWorld {
    async fn probe(&self, action: &Action) -> Probe {
        if *lock(&self.blind) {
            return Probe::Unknown(Failure::new(FailureClass::Failed, "planted: nobody can tell"));
        }
        if !self.is_so(action) {
            return Probe::NotDone;
        }
        let facts = match action {
            Action::BuildBackend { release } => json!({"digest": self.site().built.get(&release.id)}),
            _ => json!({}),
        };
        Probe::Done(Evidence { summary: "already so".to_owned(), facts, checks: Vec::new() })
    }

    async fn fence(&self, token: u64) -> EffectOutcome {
        self.with_faults(Call::Fence, FENCE, self.platform.fence(token)).await
    }

    async fn apply(&self, action: &Action, context: &EffectContext<'_>) -> EffectOutcome {
        self.with_faults(Call::Apply, &context.step.0, self.effect(action, context)).await
    }

    async fn undo(&self, undo: &Undo, context: &EffectContext<'_>) -> EffectOutcome {
        let effect = async {
            match undo {
                Undo::Nothing | Undo::ForwardOnly { .. } => outcome(false, "there is nothing to take back"),
                Undo::StopRelease { release } => self.platform.stop(release, context).await,
                Undo::RestoreTraffic { to, from } => self.platform.restore(to.as_ref(), from, context).await,
            }
        };
        self.with_faults(Call::Undo, &context.step.0, effect).await
    }
}
