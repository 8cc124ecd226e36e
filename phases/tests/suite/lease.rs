//! How a run keeps its lease when the ledger is slow or out of reach. Each of these was found by the simulation.

use std::future::pending;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use phases::engine::cancel::Never;
use phases::engine::clock::Clock;
use phases::engine::effects::{EffectContext, EffectOutcome, Effects, Probe};
use phases::engine::event::Ending;
use phases::engine::journal::{Actor, Draft, Record};
use phases::engine::ledger::{Claim, Lease, Ledger, LedgerError};
use phases::engine::report::RunReport;
use phases::engine::run::Engine;
use phases::engine::step::{Action, Undo};
use phases::request::Request;
use phases::testing::fault::{Call, Fault, Kind};
use phases::testing::ledger::MemoryLedger;
use phases::testing::scene::Scene;

/// What a ledger does from a given step on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// The next record takes 20 s.
    SlowRecord,
    /// The next renewal takes 20 s.
    SlowRenewal,
    /// No renewal gets through.
    Unreachable,
    /// No renewal is answered.
    Silent,
    /// The plan is written, and nobody hears of it.
    PlanUnheard,
    /// The plan is not written.
    PlanUnwritten,
}

const LONG: Duration = Duration::from_secs(20);

/// A ledger and effects that keep a log in common.
struct Troubled<'a> {
    scene: &'a Scene,
    ledger: MemoryLedger,
    trouble: Trouble,
    from: &'static str,
    log: Mutex<Vec<String>>,
}

impl Troubled<'_> {
    fn note(&self, what: impl Into<String>) {
        self.log.lock().unwrap().push(what.into());
    }

    fn begun(&self) -> bool {
        self.log.lock().unwrap().iter().any(|line| line.ends_with(self.from))
    }

    /// Slow only once.
    fn is_slow(&self, trouble: Trouble) -> bool {
        let slow =
            self.trouble == trouble && self.begun() && !self.log.lock().unwrap().contains(&"slow".into());
        if slow {
            self.note("slow");
            self.scene.clock.advance(LONG);
        }
        slow
    }
}

#[async_trait]
impl Ledger for Troubled<'_> {
    async fn acquire(&self, claim: &Claim) -> Result<Lease, LedgerError> {
        self.ledger.acquire(claim).await
    }

    async fn renew(&self, lease: &Lease) -> Result<(), LedgerError> {
        match self.trouble {
            Trouble::Unreachable if self.begun() => return Err(LedgerError::Away("refused".to_owned())),
            Trouble::Silent if self.begun() => pending().await,
            _ => {}
        }
        self.ledger.renew(lease).await?;
        self.is_slow(Trouble::SlowRenewal);
        self.note("renewed");
        Ok(())
    }

    async fn release(&self, lease: &Lease) -> Result<(), LedgerError> {
        self.ledger.release(lease).await
    }

    async fn revoke(&self, lease: &Lease) -> Result<(), LedgerError> {
        self.ledger.revoke(lease).await
    }

    async fn holder(&self) -> Result<Option<Lease>, LedgerError> {
        self.ledger.holder().await
    }

    async fn append(&self, lease: &Lease, draft: Draft) -> Result<Record, LedgerError> {
        let reset = || LedgerError::Storage("connection reset".to_owned());
        if self.trouble == Trouble::PlanUnwritten {
            return Err(reset());
        }
        let record = self.ledger.append(lease, draft).await?;
        if self.trouble == Trouble::PlanUnheard {
            return Err(reset());
        }
        self.note(format!("{:?} {}", record.kind, record.step.as_deref().unwrap_or_default()));
        self.is_slow(Trouble::SlowRecord);
        Ok(record)
    }

    async fn records(&self) -> Result<Vec<Record>, LedgerError> {
        self.ledger.records().await
    }
}

#[async_trait]
impl Effects for Troubled<'_> {
    async fn probe(&self, action: &Action) -> Probe {
        self.scene.world.probe(action).await
    }

    async fn fence(&self, token: u64) -> EffectOutcome {
        self.scene.world.fence(token).await
    }

    async fn apply(&self, action: &Action, context: &EffectContext<'_>) -> EffectOutcome {
        self.note(format!("apply {}", context.step));
        self.scene.world.apply(action, context).await
    }

    async fn undo(&self, undo: &Undo, context: &EffectContext<'_>) -> EffectOutcome {
        self.note(format!("undo {}", context.step));
        self.scene.world.undo(undo, context).await
    }
}

/// Deploys the second release; trouble begins when the log first names `from`.
async fn deploy(scene: &Scene, trouble: Trouble, from: &'static str) -> (RunReport, Vec<String>) {
    let plan = scene.plan(&Request::deploy(), Some(&Scene::release(2))).unwrap();
    let ledger = scene.ledger.another();
    let troubled = Troubled { scene, ledger, trouble, from, log: Mutex::default() };
    let claim =
        Claim { holder: "ana@pc1".to_owned(), run: "run-2".to_owned(), verb: "deploy".to_owned(), above: 0 };
    let lease = troubled.acquire(&claim).await.unwrap();
    let actor = Actor { user: "ana".to_owned(), host: "pc1".to_owned() };
    let engine = Engine {
        effects: &troubled,
        ledger: &troubled,
        clock: &scene.clock,
        cancel: &Never,
        events: &|_| {},
        actor: &actor,
    };
    let report = engine.run(&lease, &plan).await;
    (report, troubled.log.into_inner().unwrap())
}

/// What was noted from `slow` up to a line.
fn after_slow<'l>(log: &'l [String], until: &str) -> &'l [String] {
    let slow = log.iter().position(|line| line == "slow").expect("nothing was slow");
    let end = log[slow..].iter().position(|line| line == until).expect("it is not there");
    &log[slow..slow + end]
}

#[tokio::test]
async fn slow_intent_is_followed_by_a_renewal_before_the_effect() {
    let scene = Scene::grown(1).await;
    let (report, log) = deploy(&scene, Trouble::SlowRecord, "Intent deploy.shift").await;
    assert_eq!(report.exit_code, 0);
    assert_eq!(after_slow(&log, "apply deploy.shift"), ["slow", "renewed"]);
}

#[tokio::test]
async fn slow_record_is_followed_by_a_renewal_before_the_next_check() {
    let scene = Scene::grown(1).await;
    let (report, log) = deploy(&scene, Trouble::SlowRecord, "Done deploy.ready").await;
    assert_eq!(report.exit_code, 0);
    assert_eq!(after_slow(&log, "apply deploy.gate"), ["slow", "renewed"]);
}

#[tokio::test]
async fn renewal_is_counted_from_when_it_was_asked_for() {
    let scene = Scene::grown(1).await;
    let (report, log) = deploy(&scene, Trouble::SlowRenewal, "Done deploy.ready").await;
    assert_eq!(report.exit_code, 0);
    assert_eq!(after_slow(&log, "apply deploy.gate"), ["slow", "renewed", "renewed"]);
}

#[tokio::test]
async fn slow_undo_intent_is_followed_by_a_renewal_before_the_undo() {
    let scene = Scene::grown(1).await;
    let kind = Kind::Before(phases::engine::failure::FailureClass::CheckFailed);
    scene.world.plant(Fault { call: Call::Apply, step: "smoke.run".to_owned(), kind });
    let (report, log) = deploy(&scene, Trouble::SlowRecord, "UndoIntent deploy.shift").await;
    assert_eq!((report.ending, report.exit_code), (Ending::RolledBack, 20));
    assert_eq!(after_slow(&log, "undo deploy.shift"), ["slow", "renewed"]);
}

#[tokio::test]
async fn effect_does_not_outlast_the_lease_when_the_ledger_is_out_of_reach() {
    for trouble in [Trouble::Unreachable, Trouble::Silent] {
        let scene = Scene::grown(1).await;
        let kind = Kind::Hangs;
        scene.world.plant(Fault { call: Call::Apply, step: "deploy.start".to_owned(), kind });
        let began = scene.clock.elapsed();
        let (report, _) = deploy(&scene, trouble, "apply deploy.start").await;
        assert_eq!((report.ending, report.exit_code), (Ending::Interrupted, 12));
        let took = scene.clock.elapsed() - began;
        assert!((15..30).contains(&took.as_secs()), "given up after {took:?}");
    }
}

#[tokio::test]
async fn run_whose_plan_may_be_gone_on_with_is_unfinished_and_not_refused() {
    let scene = Scene::grown(1).await;
    let (report, log) = deploy(&scene, Trouble::PlanUnheard, "").await;
    assert_eq!((report.ending, report.exit_code), (Ending::Interrupted, 50));
    assert_eq!(report.next.as_deref(), Some("crmctl resume local"));
    assert!(!log.iter().any(|line| line.starts_with("apply")), "{log:?}");
}

#[tokio::test]
async fn run_whose_plan_was_not_written_is_refused() {
    let scene = Scene::grown(1).await;
    let (report, _) = deploy(&scene, Trouble::PlanUnwritten, "").await;
    assert_eq!((report.ending, report.exit_code), (Ending::Refused, 10));
}
