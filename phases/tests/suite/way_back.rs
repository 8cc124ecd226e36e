//! The way back and what is laid on whom: rollbacks that were killed, reboots, releases that were red before.

use phases::engine::cancel::Never;
use phases::engine::event::{Ending, PhaseStatus, StepStatus};
use phases::engine::failure::{CheckOutcome, FailureClass};
use phases::engine::history;
use phases::engine::journal::{Kind as RecordKind, Record};
use phases::engine::report::RunReport;
use phases::plan::Phase;
use phases::request::{Request, Verb};
use phases::testing::fault::{Call, Fault, Kind};
use phases::testing::ledger::Death;
use phases::testing::scene::{Errand, Scene};

fn plant(scene: &Scene, call: Call, step: &str, kind: Kind) {
    scene.world.plant(Fault { call, step: step.to_owned(), kind });
}

async fn deploy(scene: &Scene, n: u8) -> RunReport {
    scene.perform(&Request::deploy(), Some(&Scene::release(n))).await
}

fn ending(report: &RunReport) -> (Ending, u8) {
    (report.ending, report.exit_code)
}

#[tokio::test]
async fn second_rollback_after_a_killed_one_does_not_bring_the_bad_release_back() {
    let scene = Scene::grown(2).await;
    let plan = scene.plan(&Request::rollback(None), None).unwrap();
    let shifted = |scene: &Scene| {
        let shifted = |r: &Record| r.kind == RecordKind::Done && r.step.as_deref() == Some("rollback.shift");
        scene.records().iter().any(shifted)
    };
    for records in 1..20 {
        let scene = scene.clone();
        scene.ledger.die(Death::After(records));
        if scene.process(&Errand::Run(&plan), &Never, &|_| {}).await.is_some() {
            assert!(records > 5, "it was never killed after the switch");
            return;
        }
        scene.ledger.revive();
        let was_shifted = shifted(&scene);
        if history::unfinished(&scene.records()).unwrap().is_none() {
            continue;
        }
        let report = scene.process(&Errand::Unwind, &Never, &|_| {}).await.unwrap();
        assert_eq!(ending(&report), (Ending::RolledBack, 0), "killed after record {records}");
        let context = format!("killed after record {records}, shifted: {was_shifted}");
        assert_eq!(scene.world.platform.machine().answers(), Some(&Scene::release(1).id), "{context}");
        assert_eq!(report.release.unwrap().id, Scene::release(1).id, "{context}");
    }
    panic!("it never ran to its end");
}

#[tokio::test]
async fn release_that_fails_after_a_reboot_gives_way_to_the_one_before_it() {
    let scene = Scene::grown(2).await;
    scene.reboot();
    plant(&scene, Call::Apply, "smoke.run", Kind::Before(FailureClass::CheckFailed));
    let report = deploy(&scene, 2).await;
    assert_eq!(ending(&report), (Ending::RolledBack, 20));
    assert_eq!(scene.world.platform.machine().answers(), Some(&Scene::release(1).id));
    assert!(report.recovery.iter().any(|step| step.step == "rollback.smoke"), "it was not proved");
}

#[tokio::test]
async fn only_release_that_fails_after_a_reboot_is_not_called_rolled_back() {
    let scene = Scene::grown(1).await;
    scene.reboot();
    plant(&scene, Call::Apply, "smoke.run", Kind::Before(FailureClass::CheckFailed));
    assert_eq!(ending(&deploy(&scene, 1).await), (Ending::Failed, 20));
    assert_eq!(scene.world.platform.machine().answers(), None);
}

#[tokio::test]
async fn run_that_is_taken_back_tells_what_serves() {
    let scene = Scene::grown(1).await;
    let plan = scene.plan(&Request::deploy(), Some(&Scene::release(2))).unwrap();
    scene.ledger.die(Death::After(20));
    assert!(scene.process(&Errand::Run(&plan), &Never, &|_| {}).await.is_none());
    scene.ledger.revive();
    let report = scene.process(&Errand::Unwind, &Never, &|_| {}).await.unwrap();
    assert_eq!(report.release.unwrap().id, Scene::release(1).id);
}

#[tokio::test]
async fn red_release_that_still_serves_blocks_neither_the_fix_nor_its_migration() {
    let scene = Scene::grown(1).await;
    scene.world.site().verdicts.insert(Scene::release(1).id, CheckOutcome::Failed);
    let fix = Scene::release_with(2, &[1, 8, 9, 16]);
    let report = scene.perform(&Request::deploy(), Some(&fix)).await;
    assert_eq!(ending(&report), (Ending::Deployed, 0));
    let migrate = &report.phases[2];
    assert_eq!(migrate.status, PhaseStatus::Done);
    let red = migrate.steps.iter().filter(|step| step.status == StepStatus::Failed);
    assert_eq!(red.map(|step| step.step.as_str()).collect::<Vec<_>>(), ["migrate.baseline", "migrate.smoke"]);
}

#[tokio::test]
async fn migration_that_breaks_the_serving_release_stops_the_run_and_blocks_nobody() {
    let scene = Scene::grown(1).await;
    let next = Scene::release_with(2, &[1, 8, 9, 16]);
    plant(&scene, Call::Apply, "migrate.smoke", Kind::Before(FailureClass::CheckFailed));
    let report = scene.perform(&Request::deploy(), Some(&next)).await;
    assert_eq!(ending(&report), (Ending::Failed, 20));
    assert_eq!(history::state(&scene.records(), &next.id), None);
}

#[tokio::test]
async fn housekeeping_that_fails_takes_no_release_back() {
    let scene = Scene::grown(4).await;
    plant(&scene, Call::Apply, "deploy.retire", Kind::Before(FailureClass::Failed));
    let report = deploy(&scene, 5).await;
    assert_eq!(ending(&report), (Ending::Deployed, 0));
    assert_eq!(report.phases[3].status, PhaseStatus::Done);
    assert_eq!(scene.world.platform.machine().answers(), Some(&Scene::release(5).id));
}

#[tokio::test]
async fn rollback_starts_the_private_server_and_goes_back_even_when_that_fails() {
    let scene = Scene::grown(2).await;
    scene.reboot();
    let well = scene.clone();
    assert_eq!(ending(&well.perform(&Request::rollback(None), None).await), (Ending::RolledBack, 0));
    assert!(well.world.site().database_runs);
    plant(&scene, Call::Apply, "rollback.database", Kind::Before(FailureClass::Failed));
    let report = scene.perform(&Request::rollback(None), None).await;
    assert_eq!(report.ending, Ending::RolledBack);
    assert_ne!(report.exit_code, 0);
    assert_eq!(scene.world.platform.machine().answers(), Some(&Scene::release(1).id));
}

#[tokio::test]
async fn perf_that_failed_since_leaves_no_verdict_to_reuse() {
    let scene = Scene::grown(1).await;
    assert!(scene.observe(None).perf.is_some());
    plant(&scene, Call::Apply, "perf.load", Kind::Before(FailureClass::CheckFailed));
    scene.perform(&Request::new(Verb::Phase(Phase::Perf)), None).await;
    assert_eq!(scene.observe(None).perf, None);
}

#[tokio::test]
async fn run_resumed_after_a_reboot_starts_again_what_had_run() {
    let scene = Scene::default();
    let plan = scene.plan(&Request::deploy(), Some(&Scene::release(1))).unwrap();
    let mut gated = false;
    for records in 1.. {
        let scene = scene.clone();
        scene.ledger.die(Death::After(records));
        if scene.process(&Errand::Run(&plan), &Never, &|_| {}).await.is_some() {
            break;
        }
        scene.ledger.revive();
        scene.reboot();
        if history::unfinished(&scene.records()).unwrap().is_none() {
            continue;
        }
        gated |= scene.records().iter().any(|record| record.step.as_deref() == Some("deploy.gate"));
        let report = scene.process(&Errand::Resume, &Never, &|_| {}).await.unwrap();
        assert_eq!(ending(&report), (Ending::Deployed, 0), "killed after record {records}: {report:?}");
        assert_eq!(scene.world.platform.machine().answers(), Some(&Scene::release(1).id), "record {records}");
    }
    assert!(gated);
}

#[tokio::test]
async fn baseline_that_could_not_run_excuses_nothing_that_fails_after_the_migration() {
    let scene = Scene::grown(1).await;
    let next = Scene::release_with(2, &[1, 8, 9, 16]);
    plant(&scene, Call::Apply, "migrate.baseline", Kind::Before(FailureClass::CheckErrored));
    plant(&scene, Call::Apply, "migrate.smoke", Kind::Before(FailureClass::CheckFailed));
    let report = scene.perform(&Request::deploy(), Some(&next)).await;
    assert_eq!(ending(&report), (Ending::Failed, 20));
    assert_eq!(history::state(&scene.records(), &next.id), None);
}

#[tokio::test]
async fn suite_that_fails_in_another_way_than_before_the_migration_stops_the_run() {
    let scene = Scene::grown(1).await;
    let next = Scene::release_with(2, &[1, 8, 9, 16]);
    scene.world.site().verdicts.insert(Scene::release(1).id, CheckOutcome::Failed);
    plant(&scene, Call::Apply, "migrate.smoke", Kind::Before(FailureClass::CheckFailed));
    let report = scene.perform(&Request::deploy(), Some(&next)).await;
    let told: Vec<_> = report.phases[2].steps.iter().filter_map(|step| step.failure.as_ref()).collect();
    assert_ne!(told[0].message, told[1].message, "they fail in one way");
    assert_eq!(ending(&report), (Ending::Failed, 20));
}
