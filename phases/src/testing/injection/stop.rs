//! Stops a run: on request, and by taking its lease away.

use crate::engine::effects::{Effects, Probe};
use crate::engine::event::{Ending, Event};
use crate::engine::journal::{Kind as RecordKind, Record};
use crate::engine::report::RunReport;
use crate::engine::step::Step;
use crate::plan::{Phase, Plan};
use crate::testing::cancel::FakeCancel;
use crate::testing::fault::Kind;
use crate::testing::injection::{assert_back, assert_one_serves, history_of, later, planned, plant, run};
use crate::testing::scene::{Errand, Scene};
use crate::testing::situation::Situation;

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
        if !scene.ledger.has_refused() {
            assert_eq!(report.exit_code, 0, "{context}: nothing was taken away");
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

/// The step will not be found done already.
async fn will_act(situation: &Situation, step: &Step) -> bool {
    step.action.is_observation() || matches!(situation.scene.world.probe(&step.action).await, Probe::NotDone)
}
