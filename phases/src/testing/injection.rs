//! Generic tests: they know no phase, only plans. Each compares worlds, and asserts that what it planted is
//! what happened; else it would quietly test nothing.

use std::collections::BTreeSet;

use crate::engine::cancel::Never;
use crate::engine::event::{Ending, Event};
use crate::engine::failure::FailureClass;
use crate::engine::history;
use crate::engine::journal::{Kind as RecordKind, Record, chain};
use crate::engine::ledger::{Claim, Ledger};
use crate::engine::report::RunReport;
use crate::engine::step::{Action, Step};
use crate::plan::{Phase, Plan};
use crate::release::{ReleaseId, ReleaseState};
use crate::testing::cancel::FakeCancel;
use crate::testing::fault::{Call, Fault, Kind};
use crate::testing::ledger::Death;
use crate::testing::machine::Machine;
use crate::testing::scene::{Errand, Scene};
use crate::testing::situation::Situation;
use crate::testing::world::Site;

type World = (Site, Machine);

/// Fails each step in each way and sees the world as before, forward-only facts apart.
pub async fn fail_each_step(situation: &Situation) {
    let plan = planned(situation);
    for step in plan.steps() {
        for kind in ways_to_fail(step) {
            fail_step(situation, &plan, step, kind).await;
        }
    }
}

/// An effect that happened and whose answer got lost is found by a probe, and the run goes through.
pub async fn lose_each_answer(situation: &Situation) {
    let plan = planned(situation);
    let expected = end_of(situation, &plan).await;
    for step in plan.steps().filter(|step| !step.action.is_observation()) {
        let scene = situation.scene.clone();
        plant(&scene, step, Kind::Unheard);
        let report = run(&scene, &plan).await;
        assert_eq!(report.exit_code, 0, "{}: answer of {} lost", situation.name, step.id);
        assert_same(&expected, &scene.world.snapshot(), &format!("{}: {}", situation.name, step.id));
    }
}

/// Does every action and every undo twice and sees the same world as after once.
pub async fn repeat_each_action(situation: &Situation) {
    let plan = planned(situation);
    let scene = situation.scene.clone();
    let lease = scene.ledger.acquire(&claim()).await.expect("the lease is free");
    for step in plan.steps() {
        let apply = || apply(&scene, step, lease.token);
        apply().await;
        let once = scene.world.snapshot();
        apply().await;
        assert_eq!(once, scene.world.snapshot(), "{}: {} twice", situation.name, step.id);
    }
    for step in plan.steps().rev().filter(|step| step.undo.acts()) {
        let undo = || undo(&scene, step, lease.token);
        undo().await;
        let once = scene.world.snapshot();
        undo().await;
        assert_eq!(once, scene.world.snapshot(), "{}: undo of {} twice", situation.name, step.id);
    }
}

/// Kills the process at every record, before and after it is written, then goes on with the run, and
/// separately takes it back.
pub async fn cut_at_each_record(situation: &Situation, planted: Option<&Fault>) {
    let plan = planned(situation);
    let scene = situation.scene.clone();
    planted.iter().for_each(|fault| scene.world.plant((*fault).clone()));
    let whole = run(&scene, &plan).await;
    let expected = scene.world.snapshot();
    let records = scene.records().len() - situation.scene.records().len();
    let deaths = (1..=records).map(Death::After).chain((0..records).map(Death::Instead));
    for death in deaths {
        for errand in [Errand::Resume, Errand::Unwind] {
            let cut =
                Cut { situation, plan: &plan, planted, death, errand, whole: &whole, expected: &expected };
            cut.check().await;
        }
    }
}

/// Asks to stop as each step begins; also while it hangs, where it may be dropped.
pub async fn interrupt_each_step(situation: &Situation) {
    let plan = planned(situation);
    for step in plan.steps() {
        let hangs = step.action.is_droppable() && will_act(situation, step).await;
        for hang in [false, true].into_iter().filter(|hang| !hang || hangs) {
            interrupt_step(situation, &plan, step, hang).await;
        }
    }
}

/// Takes the lease away at each safe point: not one more record, and another operator brings the run to its
/// end.
pub async fn lose_lease_at_each_step(situation: &Situation) {
    let plan = planned(situation);
    for renewals in 0..plan.steps().count() {
        let scene = situation.scene.clone();
        scene.ledger.lose_after(renewals);
        let report = run(&scene, &plan).await;
        let context = format!("{}: lease lost after {renewals} renewals", situation.name);
        if report.exit_code == 0 {
            continue;
        }
        assert_eq!((report.ending, report.exit_code), (Ending::Interrupted, 12), "{context}");
        let records = scene.records();
        let last = records.last().expect("the plan is there").kind;
        assert!(!matches!(last, RecordKind::End | RecordKind::UndoIntent), "{context}: {last:?}");
        scene.ledger.revive();
        let report = later(&scene, &Errand::Resume).await;
        assert_eq!(report.exit_code, 0, "{context}: {report:?}");
        assert_one_serves(&situation.scene, &scene, &context);
    }
}

async fn fail_step(situation: &Situation, plan: &Plan, step: &Step, kind: Kind) {
    let context = format!("{}: {} fails by {kind:?}", situation.name, step.id);
    let scene = situation.scene.clone();
    plant(&scene, step, kind);
    let report = run(&scene, plan).await;
    if scene.world.fired().is_empty() {
        assert_eq!(report.exit_code, 0, "{context}: nothing was planted in the way");
        let found = history_of(&scene, &report).iter().any(|r| is(r, RecordKind::Done, step));
        assert!(found, "{context}: neither struck nor found done");
        return;
    }
    assert_injected(&scene, &report, plan, step, &context);
    if is_rollback_smoke(plan, step) {
        assert_eq!(report.ending, Ending::RolledBack, "{context}");
        assert!(matches!(report.exit_code, 30 | 31), "{context}: {}", report.exit_code);
        assert_eq!(scene.world.platform.machine().answers(), plan.target.as_ref().map(|t| &t.id));
    } else {
        assert_back(situation, &scene, plan, &context);
        assert_ending(situation, &scene, &report, plan, step, &context);
    }
    assert_blocked(&scene, plan, step, kind, &context);
}

/// The step that was struck is the one that failed, the plan is as long as before, nothing failed on the way
/// back.
fn assert_injected(scene: &Scene, report: &RunReport, plan: &Plan, step: &Step, context: &str) {
    let records = history_of(scene, report);
    let failed: Vec<_> = records.iter().filter(|r| r.kind == RecordKind::Failed).collect();
    assert_eq!(failed.first().and_then(|r| r.step.as_deref()), Some(step.id.0.as_str()), "{context}");
    assert!(!records.iter().any(|r| r.kind == RecordKind::UndoFailed), "{context}: an undo failed");
    let pinned: Plan = serde_json::from_value(records[0].desired.clone()).expect("the plan can be read");
    assert_eq!(&pinned, plan, "{context}: the plan changed");
    assert_eq!(records.last().map(|r| r.kind), Some(RecordKind::End), "{context}: it has no end");
    assert_ne!(report.exit_code, 0, "{context}");
}

fn assert_ending(
    situation: &Situation,
    scene: &Scene,
    report: &RunReport,
    plan: &Plan,
    step: &Step,
    context: &str,
) {
    let records = history_of(scene, report);
    let shifted = |r: &Record| r.kind == RecordKind::UndoDone && r.step.as_deref() == Some("deploy.shift");
    let alive = situation.scene.world.platform.machine().serving.is_some();
    let blind_or_done = scene.world.fired().iter().any(|f| f.step != "deploy.shift" || f.kind == Kind::Blind);
    let expected = if step.id.0.starts_with("preflight.") {
        (Ending::Refused, 10..=10)
    } else if records.iter().any(shifted) && alive && plan.previous.is_some() && blind_or_done {
        (Ending::RolledBack, 20..=20)
    } else if records.iter().any(|r| r.kind == RecordKind::UndoDone) {
        (Ending::Failed, 20..=20)
    } else {
        (Ending::Failed, 20..=31)
    };
    assert_eq!(report.ending, expected.0, "{context}");
    assert!(expected.1.contains(&report.exit_code), "{context}: {}", report.exit_code);
}

/// Only a check or a release that does not come up blocks, and only a release that this run brings in.
fn assert_blocked(scene: &Scene, plan: &Plan, step: &Step, kind: Kind, context: &str) {
    let blames = matches!(kind, Kind::Before(FailureClass::CheckFailed | FailureClass::ReleaseFailed));
    let expected = blames && plan.introduces() && !step.id.0.starts_with("preflight.");
    let Some(target) = &plan.target else { return };
    let blocked = history::state(&scene.records(), &target.id) == Some(ReleaseState::Blocked);
    assert_eq!(blocked, expected, "{context}");
}

/// The same release has the address and nothing else runs; everything else differs by forward-only facts.
fn assert_back(situation: &Situation, scene: &Scene, plan: &Plan, context: &str) {
    let (site, machine) = situation.scene.world.snapshot();
    let (site_after, machine_after) = scene.world.snapshot();
    let dead = machine.serving.is_some() && machine.answers().is_none();
    if dead {
        let gone = machine.serving == plan.target.as_ref().map(|target| target.id.clone());
        let serving = machine_after.serving.clone();
        assert!(serving == machine.serving || gone && serving.is_none(), "{context}: {serving:?} serves");
        let ours = |(id, role): &(ReleaseId, _)| {
            Some(id) == serving.as_ref() && *role == crate::engine::platform::Role::Serving
        };
        assert!(machine_after.instances.iter().all(ours), "{context}: {:?}", machine_after.instances);
    } else {
        assert_eq!(standing(&machine), standing(&machine_after), "{context}: not as before");
    }
    assert!(site.database.applied.is_subset(&site_after.database.applied), "{context}: a migration went");
    for (before, after) in [
        (site.database.seeded, site_after.database.seeded),
        (site.database_runs, site_after.database_runs),
        (site.jobs, site_after.jobs),
    ] {
        assert!(after || !before, "{context}: a forward-only fact went back");
    }
    let removed: BTreeSet<_> = machine.present.difference(&machine_after.present).collect();
    let previous = plan.previous.as_ref();
    assert!(!removed.iter().any(|id| Some(*id) == previous), "{context}: the way back was removed");
}

/// What users and operators can tell apart: who has the address, and what else runs.
fn standing(machine: &Machine) -> (Option<ReleaseId>, BTreeSet<String>) {
    let mut settled = machine.clone();
    settled.settle();
    (settled.serving.clone(), settled.instances.iter().map(|instance| format!("{instance:?}")).collect())
}

fn assert_same(expected: &World, actual: &World, context: &str) {
    assert_eq!(expected.0, actual.0, "{context}");
    assert_eq!(standing(&expected.1), standing(&actual.1), "{context}");
    assert_eq!(expected.1.present, actual.1.present, "{context}");
}

/// Exactly one release has the address, unless none had it before and the run was taken back.
fn assert_one_serves(before: &Scene, after: &Scene, context: &str) {
    use crate::engine::platform::Role;
    let machine = after.world.platform.machine().clone();
    let serving = machine.instances.iter().filter(|(_, role)| *role == Role::Serving).count();
    let others = machine.instances.iter().filter(|(_, role)| *role == Role::Candidate).count();
    let least = usize::from(before.world.platform.machine().answers().is_some());
    assert!((least..=1).contains(&serving), "{context}: {serving} serve");
    assert_eq!(others, 0, "{context}: a candidate was left");
}

async fn interrupt_step(situation: &Situation, plan: &Plan, step: &Step, hang: bool) {
    let context = format!("{}: stopped at {} (hanging: {hang})", situation.name, step.id);
    let scene = situation.scene.clone();
    if hang {
        plant(&scene, step, Kind::Hangs);
    }
    let cancel = FakeCancel::default();
    let ask = |event| match event {
        Event::StepStarted { step: begun, undo: false, .. } if begun == step.id.0 => cancel.request(),
        _ => {}
    };
    let report = scene.process(&Errand::Run(plan), &cancel, &ask).await.expect("nothing kills it");
    assert_eq!(scene.world.fired().is_empty(), !hang, "{context}");
    let last = plan.steps().last().is_some_and(|last| last.id == step.id) && !hang;
    if last {
        assert_eq!(report.exit_code, 0, "{context}: there was nothing left to stop");
    } else if plan.verb == Phase::Rollback.as_str() && moved(&scene, &report) {
        assert_eq!((report.ending, report.exit_code), (Ending::RolledBack, 31), "{context}");
    } else {
        assert_eq!((report.ending, report.exit_code), (Ending::Interrupted, 50), "{context}");
        let kinds: Vec<_> = history_of(&scene, &report).iter().map(|record| record.kind).collect();
        assert!(kinds.contains(&RecordKind::Interrupted), "{context}");
        assert_eq!(kinds.last(), Some(&RecordKind::End), "{context}");
        assert_back(situation, &scene, plan, &context);
    }
}

fn moved(scene: &Scene, report: &RunReport) -> bool {
    let shift = |r: &Record| r.kind == RecordKind::Done && r.step.as_deref() == Some("rollback.shift");
    history_of(scene, report).iter().any(shift)
}

/// One killed process and what comes after it.
struct Cut<'a> {
    situation: &'a Situation,
    plan: &'a Plan,
    planted: Option<&'a Fault>,
    death: Death,
    errand: Errand<'a>,
    whole: &'a RunReport,
    expected: &'a World,
}

impl Cut<'_> {
    async fn check(&self) {
        let context =
            format!("{}: {:?}, then {:?} ({:?})", self.situation.name, self.death, self.errand, self.planted);
        let scene = self.situation.scene.clone();
        self.planted.iter().for_each(|fault| scene.world.plant((*fault).clone()));
        scene.ledger.die(self.death);
        let report = scene.process(&Errand::Run(self.plan), &Never, &|_| {}).await;
        assert!(report.is_none(), "{context}: it was not killed");
        scene.ledger.revive();
        scene.world.see_again();
        let unfinished = history::unfinished(&scene.records()).expect("the journal makes sense");
        if unfinished.is_some() {
            let report = later(&scene, &self.errand).await;
            self.judge(&scene, &report, &context);
        }
        let blockage = history::blockage(&scene.records()).expect("the journal makes sense");
        assert_eq!(blockage, None, "{context}");
        assert_one_serves(&self.situation.scene, &scene, &context);
        scene.world.mend();
        self.go_on(&scene, &context).await;
    }

    fn judge(&self, scene: &Scene, report: &RunReport, context: &str) {
        let last = chain::read(&scene.ledger.journal()).expect("the chain holds").records.pop();
        assert_eq!(last.map(|record| record.kind), Some(RecordKind::End), "{context}: it has no end");
        match (&self.errand, self.planted) {
            (Errand::Resume, None) => {
                assert_eq!(report.ending, self.whole.ending, "{context}");
                assert_eq!(report.exit_code, self.whole.exit_code, "{context}");
                assert_same(self.expected, &scene.world.snapshot(), context);
            }
            (Errand::Resume, Some(_)) => {
                assert!(matches!(report.exit_code, 0 | 20 | 30 | 31), "{context}: {}", report.exit_code);
            }
            _ => {
                assert_eq!((report.ending, report.exit_code), (Ending::RolledBack, 0), "{context}");
                assert_eq!(report.verb, "rollback", "{context}");
                assert_back(self.situation, scene, self.plan, context);
            }
        }
    }

    /// The next operator is not hindered, and the one after has nothing to do.
    async fn go_on(&self, scene: &Scene, context: &str) {
        let Some(release) = &self.situation.release else { return };
        let next = crate::request::Request::deploy();
        let Ok(plan) = scene.plan(&next, Some(release)) else {
            let blocked = history::state(&scene.records(), &release.id) == Some(ReleaseState::Blocked);
            assert!(blocked, "{context}: the next deploy cannot be planned");
            return;
        };
        let report = run(scene, &plan).await;
        assert_eq!(report.ending, Ending::Deployed, "{context}: {report:?}");
        let again = scene.plan(&next, Some(release)).expect("it has just been deployed");
        assert_eq!(again.effects(), 0, "{context}: {again}");
    }
}

fn planned(situation: &Situation) -> Plan {
    let plan = situation.scene.plan(&situation.request, situation.release.as_ref());
    plan.unwrap_or_else(|error| panic!("{}: {error}", situation.name))
}

async fn run(scene: &Scene, plan: &Plan) -> RunReport {
    scene.process(&Errand::Run(plan), &Never, &|_| {}).await.expect("nothing kills this process")
}

async fn later(scene: &Scene, errand: &Errand<'_>) -> RunReport {
    scene.process(errand, &Never, &|_| {}).await.expect("nothing kills this process")
}

async fn end_of(situation: &Situation, plan: &Plan) -> World {
    let scene = situation.scene.clone();
    let report = run(&scene, plan).await;
    assert_eq!(report.exit_code, 0, "{}: {report:?}", situation.name);
    scene.world.snapshot()
}

fn plant(scene: &Scene, step: &Step, kind: Kind) {
    scene.world.plant(Fault { call: Call::Apply, step: step.id.0.clone(), kind });
}

fn ways_to_fail(step: &Step) -> Vec<Kind> {
    match &step.action {
        Action::Require { .. } => vec![Kind::Before(FailureClass::Refused), Kind::Lost],
        Action::AwaitReady { .. } => vec![Kind::Before(FailureClass::ReleaseFailed), Kind::Lost],
        Action::RunSuite { .. } | Action::RunLoad { .. } => vec![
            Kind::Before(FailureClass::CheckFailed),
            Kind::Before(FailureClass::CheckErrored),
            Kind::Lost,
        ],
        _ => vec![Kind::Before(FailureClass::Failed), Kind::Lost, Kind::Blind],
    }
}

/// The step will not be found done already.
async fn will_act(situation: &Situation, step: &Step) -> bool {
    use crate::engine::effects::{Effects, Probe};
    step.action.is_observation() || matches!(situation.scene.world.probe(&step.action).await, Probe::NotDone)
}

fn is_rollback_smoke(plan: &Plan, step: &Step) -> bool {
    plan.verb == Phase::Rollback.as_str() && matches!(step.action, Action::RunSuite { .. })
}

fn is(record: &Record, kind: RecordKind, step: &Step) -> bool {
    record.kind == kind && record.step.as_deref() == Some(step.id.0.as_str())
}

fn history_of(scene: &Scene, report: &RunReport) -> Vec<Record> {
    scene.records().iter().filter(|record| record.run == report.run).cloned().collect()
}

fn claim() -> Claim {
    Claim { holder: "ana@pc1".to_owned(), run: "twice".to_owned(), verb: "deploy".to_owned() }
}

async fn apply(scene: &Scene, step: &Step, token: u64) {
    use crate::engine::effects::{EffectContext, Effects};
    let context = EffectContext { run: "twice", token, step: &step.id, progress: &|_| {} };
    let _ = scene.world.apply(&step.action, &context).await;
}

async fn undo(scene: &Scene, step: &Step, token: u64) {
    use crate::engine::effects::{EffectContext, Effects};
    let context = EffectContext { run: "twice", token, step: &step.id, progress: &|_| {} };
    let _ = scene.world.undo(&step.undo, &context).await;
}
