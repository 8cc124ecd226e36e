//! What the journal can and cannot say.

use phases::engine::failure::{Failure, FailureClass};
use phases::engine::history;
use phases::engine::journal::{Kind, Record};
use phases::engine::resume::{StepState, replay};
use phases::observed::Blockage;
use phases::request::Request;
use phases::testing::ledger::Death;
use phases::testing::scene::{Errand, Scene};

async fn whole_run() -> Vec<Record> {
    Scene::grown(1).await.records().to_vec()
}

#[tokio::test]
async fn every_impossible_record_is_refused() {
    let run = whole_run().await;
    let position = |kind, step: &str| {
        run.iter().position(|r| r.kind == kind && r.step.as_deref() == Some(step)).unwrap()
    };
    let (intent, done) = (position(Kind::Intent, "deploy.shift"), position(Kind::Done, "deploy.shift"));
    let with = |at: usize, kind: Kind, step: Option<&str>| {
        let mut records = run[..at].to_vec();
        let mut record = run[intent].clone();
        record.kind = kind;
        record.step = step.map(str::to_owned);
        records.push(record);
        replay(&records).map(|_| ())
    };
    let shift = Some("deploy.shift");
    assert!(with(intent, Kind::UndoIntent, shift).is_err(), "undo of what was never begun");
    assert!(with(done, Kind::UndoDone, shift).is_err(), "undone without intent");
    assert!(with(done + 1, Kind::Done, shift).is_err(), "done twice");
    assert!(with(done + 1, Kind::Intent, shift).is_err(), "begun after it was done");
    assert!(with(done + 1, Kind::Failed, shift).is_err(), "failed after it was done");
    assert!(with(done, Kind::Done, Some("deploy.party")).is_err(), "a step that is not planned");
    assert!(with(done, Kind::Done, None).is_err(), "no step at all");
    assert!(with(done, Kind::Plan, None).is_err(), "a second plan");
    assert!(replay(&run[1..]).is_err(), "no plan");
    assert!(replay(&[]).is_err(), "nothing");
    assert!(with(done, Kind::Intent, shift).is_ok(), "a second attempt");
}

#[tokio::test]
async fn adopted_run_may_find_again_or_lose_sight_of_what_was_done() {
    let run = whole_run().await;
    let done = run.iter().position(|r| r.kind == Kind::Done && r.step.as_deref() == Some("deploy.shift"));
    let mut records = run[..=done.unwrap()].to_vec();
    let mut adopt = records[done.unwrap()].clone();
    (adopt.kind, adopt.step) = (Kind::Adopt, None);
    records.push(adopt);
    let with = |kind, evidence| {
        let mut record = run[done.unwrap()].clone();
        (record.kind, record.evidence) = (kind, evidence);
        let mut records = records.clone();
        records.push(record);
        replay(&records).unwrap().state("deploy.shift")
    };
    let failure = Failure::new(FailureClass::Failed, "nobody can tell");
    assert_eq!(with(Kind::Done, serde_json::json!({})), StepState::Done);
    assert_eq!(with(Kind::Failed, serde_json::json!({"failure": failure})), StepState::FailedInDoubt);
}

#[tokio::test]
async fn step_in_doubt_is_named() {
    let run = whole_run().await;
    let intent = run.iter().position(|r| r.kind == Kind::Intent && r.step.as_deref() == Some("deploy.shift"));
    let progress = replay(&run[..=intent.unwrap()]).unwrap();
    assert_eq!(progress.in_doubt(), Some("deploy.shift"));
    assert_eq!(progress.state("deploy.start"), StepState::Done);
    assert_eq!(progress.state("deploy.gate"), StepState::Found);
    assert_eq!(progress.state("deploy.jobs"), StepState::Untouched);
}

#[tokio::test]
async fn run_killed_before_it_changed_anything_hinders_nobody_and_can_be_resumed() {
    let scene = Scene::grown(1).await;
    let plan = scene.plan(&Request::deploy(), Some(&Scene::release(2))).unwrap();
    scene.ledger.die(Death::After(5));
    assert!(scene.process(&Errand::Run(&plan), &phases::engine::cancel::Never, &|_| {}).await.is_none());
    scene.ledger.revive();
    let records = scene.records();
    assert_eq!(history::blockage(&records).unwrap(), None);
    let unfinished = history::unfinished(&records).unwrap().unwrap();
    assert!(!unfinished.touched());
    assert_eq!(history::last_run(&records).unwrap().ending, None);
    let report = scene.perform(&Request::deploy(), Some(&Scene::release(2))).await;
    assert_eq!(report.exit_code, 0);
    assert_eq!(history::unfinished(&scene.records()).unwrap(), None);
}

#[tokio::test]
async fn run_killed_in_the_middle_blocks_and_is_listed() {
    let scene = Scene::grown(1).await;
    let plan = scene.plan(&Request::deploy(), Some(&Scene::release(2))).unwrap();
    scene.ledger.die(Death::After(15));
    scene.process(&Errand::Run(&plan), &phases::engine::cancel::Never, &|_| {}).await;
    scene.ledger.revive();
    let blockage = history::blockage(&scene.records()).unwrap();
    assert_eq!(blockage, Some(Blockage::Unfinished { run: "run-2".to_owned(), verb: "deploy".to_owned() }));
    let runs = history::runs(&scene.records());
    assert_eq!(runs.len(), 2);
    assert_eq!((runs[0].exit_code, runs[1].exit_code), (Some(0), None));
    assert_eq!(runs[1].release, Some(Scene::release(2).id));
}
