//! Fails each step of a plan in each way.

use crate::engine::event::Ending;
use crate::engine::failure::FailureClass;
use crate::engine::history;
use crate::engine::journal::{Kind as RecordKind, Record};
use crate::engine::report::RunReport;
use crate::engine::step::{Action, Step};
use crate::plan::Plan;
use crate::release::ReleaseState;
use crate::testing::fault::Kind;
use crate::testing::injection::{World, assert_back, assert_same, history_of, planned, plant, run};
use crate::testing::scene::Scene;
use crate::testing::situation::Situation;

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
    if is_aside(plan, step) {
        assert_eq!(report.exit_code, 0, "{context}");
        let told = history_of(&scene, &report).iter().any(|r| is(r, RecordKind::Failed, step));
        assert!(told, "{context}: it is not written down");
        assert_eq!(
            scene.world.platform.machine().answers(),
            plan.target.as_ref().map(|t| &t.id),
            "{context}"
        );
        return assert_blocked(&scene, plan, step, Kind::Lost, &context);
    }
    assert_injected(&scene, &report, plan, step, &context);
    if is_told_by_rollback(plan, step) {
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
    let about_another =
        step.action.asks().is_some_and(|asked| Some(asked) != plan.target.as_ref().map(|t| &t.id));
    let expected = blames && plan.introduces() && !step.id.0.starts_with("preflight.") && !about_another;
    let Some(target) = &plan.target else { return };
    let blocked = history::state(&scene.records(), &target.id) == Some(ReleaseState::Blocked);
    assert_eq!(blocked, expected, "{context}");
}

async fn end_of(situation: &Situation, plan: &Plan) -> World {
    let scene = situation.scene.clone();
    let report = run(&scene, plan).await;
    assert_eq!(report.exit_code, 0, "{}: {report:?}", situation.name);
    scene.world.snapshot()
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

/// What follows the switch of a rollback says whether going back was worth it.
fn is_told_by_rollback(plan: &Plan, step: &Step) -> bool {
    let tells = matches!(
        step.action,
        Action::RunSuite { .. } | Action::EnsureDatabase | Action::StopLeftovers { .. }
    );
    plan.goes_back() && tells
}

/// Its failure is written down and stops nothing.
fn is_aside(plan: &Plan, step: &Step) -> bool {
    let cleans = matches!(step.action, Action::RetireReleases { .. } | Action::StopLeftovers { .. });
    !plan.goes_back() && (cleans || step.id.0 == "migrate.baseline")
}

fn is(record: &Record, kind: RecordKind, step: &Step) -> bool {
    record.kind == kind && record.step.as_deref() == Some(step.id.0.as_str())
}
