//! An undo that gives no answer is done again; one that says no, or never answers, leaves the run stuck.

use phases::engine::clock::Clock;
use phases::engine::event::{Ending, StepStatus};
use phases::engine::failure::FailureClass;
use phases::engine::journal::Kind as RecordKind;
use phases::engine::report::RunReport;
use phases::request::Request;
use phases::testing::fault::{Call, Fault, Kind};
use phases::testing::scene::Scene;

/// Deploys the second release, whose smoke is red, and whose switch is taken back with these answers.
async fn taken_back(answers: &[Kind]) -> (Scene, RunReport) {
    let scene = Scene::grown(1).await;
    let plant = |call, step: &str, kind| scene.world.plant(Fault { call, step: step.to_owned(), kind });
    plant(Call::Apply, "smoke.run", Kind::Before(FailureClass::CheckFailed));
    answers.iter().for_each(|answer| plant(Call::Undo, "deploy.shift", *answer));
    let report = scene.perform(&Request::deploy(), Some(&Scene::release(2))).await;
    assert_eq!(scene.world.fired().len(), 1 + answers.len(), "not every answer was asked for");
    (scene, report)
}

fn count(scene: &Scene, kind: RecordKind) -> usize {
    let of = |record: &&phases::engine::journal::Record| {
        record.kind == kind && record.step.as_deref() == Some("deploy.shift")
    };
    scene.records().iter().filter(of).count()
}

#[tokio::test]
async fn undo_whose_answer_is_lost_is_done_again() {
    for answers in [&[Kind::Lost][..], &[Kind::Unheard], &[Kind::Lost, Kind::Unheard]] {
        let (scene, report) = taken_back(answers).await;
        assert_eq!((report.ending, report.exit_code), (Ending::RolledBack, 20), "{answers:?}");
        assert_eq!(scene.world.platform.machine().answers(), Some(&Scene::release(1).id), "{answers:?}");
        let kinds = [RecordKind::UndoIntent, RecordKind::UndoDone, RecordKind::UndoFailed];
        assert_eq!(kinds.map(|kind| count(&scene, kind)), [1, 1, 0], "{answers:?}");
    }
}

#[tokio::test]
async fn undo_that_never_answers_leaves_the_run_stuck_after_a_while() {
    let (scene, report) = taken_back(&[Kind::Lost; 3]).await;
    assert_eq!((report.ending, report.exit_code), (Ending::Stuck, 21));
    assert_eq!(report.recovery.last().unwrap().status, StepStatus::UndoFailed);
    assert_eq!((count(&scene, RecordKind::UndoIntent), count(&scene, RecordKind::UndoFailed)), (1, 1));
    assert!(scene.clock.elapsed().as_secs() >= 4, "it was not waited between the tries");
}

#[tokio::test]
async fn undo_that_says_no_is_not_done_again() {
    for answers in
        [&[Kind::Before(FailureClass::Failed)][..], &[Kind::Lost, Kind::Before(FailureClass::Failed)]]
    {
        let (_, report) = taken_back(answers).await;
        assert_eq!((report.ending, report.exit_code), (Ending::Stuck, 21), "{answers:?}");
    }
}

#[tokio::test]
async fn undo_refused_by_a_newer_run_is_left_to_that_run() {
    let (scene, report) = taken_back(&[Kind::Lost, Kind::Fenced]).await;
    assert_eq!((report.ending, report.exit_code), (Ending::Interrupted, 12));
    assert_eq!(count(&scene, RecordKind::UndoFailed), 0);
}
