//! How runs end: ending, exit code, what is decided about the release and what is told.
//!
//! Length: one situation per ending.

use phases::engine::cancel::Never;
use phases::engine::event::{Ending, Event, PhaseStatus, StepStatus};
use phases::engine::failure::{CheckOutcome, FailureClass};
use phases::engine::history;
use phases::engine::journal::Kind as RecordKind;
use phases::engine::report::RunReport;
use phases::observed::Blockage;
use phases::plan::Phase;
use phases::release::ReleaseState;
use phases::request::{Request, Verb};
use phases::testing::cancel::FakeCancel;
use phases::testing::fault::{Call, Fault, Kind};
use phases::testing::machine::Behaviour;
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
async fn deploy_that_goes_through_makes_its_release_good() {
    let scene = Scene::default();
    let report = deploy(&scene, 1).await;
    assert_eq!(ending(&report), (Ending::Deployed, 0));
    assert_eq!(report.next.as_deref(), Some("crmctl status local"));
    let known = history::known_releases(&scene.records());
    assert_eq!(
        (known[0].state, known[0].digest.as_str()),
        (ReleaseState::Good, "sha256:010101010101.00000001")
    );
    assert_eq!(report.release.unwrap().digest.as_deref(), Some("sha256:010101010101.00000001"));
    assert!(report.phases.iter().all(|phase| phase.status == PhaseStatus::Done));
}

#[tokio::test]
async fn unchanged_deploy_writes_no_intent() {
    let scene = Scene::grown(1).await;
    let before = scene.records().len();
    assert_eq!(ending(&deploy(&scene, 1).await), (Ending::Deployed, 0));
    let kinds: Vec<_> = scene.records()[before..].iter().map(|record| record.kind).collect();
    assert!(!kinds.contains(&RecordKind::Intent) && !kinds.contains(&RecordKind::Verdict), "{kinds:?}");
}

#[tokio::test]
async fn preflight_asks_everything_before_it_refuses() {
    let scene = Scene::grown(1).await;
    scene.world.site().unmet = ["disk".to_owned(), "secrets".to_owned()].into();
    let report = deploy(&scene, 2).await;
    assert_eq!(ending(&report), (Ending::Refused, 10));
    assert_eq!(report.phases[0].steps.len(), 9);
    let failure = report.failure.unwrap();
    assert_eq!(failure.message, "2 requirements are not met");
    assert_eq!(failure.detail.len(), 2);
    assert!(report.phases[1..].iter().all(|phase| phase.status == PhaseStatus::NotRun));
    assert_eq!(history::blockage(&scene.records()).unwrap(), None);
}

#[tokio::test]
async fn release_that_does_not_come_up_is_stopped_and_blocked() {
    for behaviour in [Behaviour::Exits, Behaviour::NeverReady] {
        let scene = Scene::grown(1).await;
        let release = Scene::release(2);
        scene.world.platform.machine().behaviour.insert(release.id.clone(), behaviour);
        let report = deploy(&scene, 2).await;
        assert_eq!(ending(&report), (Ending::Failed, 20));
        let failure = report.failure.unwrap();
        assert_eq!(failure.class, FailureClass::ReleaseFailed);
        assert!(failure.detail.iter().any(|line| line.contains("last line of its log")));
        assert_eq!(history::state(&scene.records(), &release.id), Some(ReleaseState::Blocked));
        assert!(scene.plan(&Request::deploy(), Some(&release)).is_err());
    }
}

#[tokio::test]
async fn red_smoke_after_the_switch_rolls_back_and_proves_the_old_release() {
    let scene = Scene::grown(1).await;
    plant(&scene, Call::Apply, "smoke.run", Kind::Before(FailureClass::CheckFailed));
    let report = deploy(&scene, 2).await;
    assert_eq!(ending(&report), (Ending::RolledBack, 20));
    let told: Vec<_> = report.recovery.iter().map(|step| (step.step.as_str(), step.status)).collect();
    assert_eq!(
        told,
        [
            ("deploy.shift", StepStatus::Undone),
            ("deploy.start", StepStatus::Undone),
            ("rollback.smoke", StepStatus::Done),
            ("rollback.retire", StepStatus::Unchanged),
        ]
    );
    assert_eq!(scene.world.platform.machine().answers(), Some(&Scene::release(1).id));
}

#[tokio::test]
async fn old_release_that_fails_its_smoke_too_leaves_the_run_stuck() {
    let scene = Scene::grown(1).await;
    plant(&scene, Call::Apply, "smoke.run", Kind::Before(FailureClass::CheckFailed));
    scene.world.site().verdicts.insert(Scene::release(1).id, CheckOutcome::Failed);
    assert_eq!(ending(&deploy(&scene, 2).await), (Ending::Stuck, 21));
    assert!(matches!(history::blockage(&scene.records()).unwrap(), Some(Blockage::Stuck { .. })));
    let report = scene.process(&Errand::Resolve, &Never, &|_| {}).await.unwrap();
    assert_eq!(ending(&report), (Ending::Done, 0));
    assert_eq!(history::blockage(&scene.records()).unwrap(), None);
}

#[tokio::test]
async fn blocked_release_can_be_freed_by_a_person() {
    let scene = Scene::grown(1).await;
    plant(&scene, Call::Apply, "deploy.gate", Kind::Before(FailureClass::CheckFailed));
    let report = deploy(&scene, 2).await;
    let target = report.release.unwrap();
    assert!(scene.plan(&Request::deploy(), Some(&Scene::release(2))).is_err());
    let report = scene.process(&Errand::Unblock(&target), &Never, &|_| {}).await.unwrap();
    assert_eq!(ending(&report), (Ending::Done, 0));
    assert_eq!(ending(&deploy(&scene, 2).await), (Ending::Deployed, 0));
}

#[tokio::test]
async fn smoke_that_cannot_run_on_the_old_release_locks_no_door() {
    let scene = Scene::grown(1).await;
    plant(&scene, Call::Apply, "smoke.run", Kind::Before(FailureClass::CheckErrored));
    scene.world.site().verdicts.insert(Scene::release(1).id, CheckOutcome::Errored);
    assert_eq!(ending(&deploy(&scene, 2).await), (Ending::RolledBack, 20));
    assert_eq!(history::state(&scene.records(), &Scene::release(2).id), None);
    scene.world.site().verdicts.clear();
    assert_eq!(ending(&deploy(&scene, 2).await), (Ending::Deployed, 0));
}

#[tokio::test]
async fn undo_that_fails_leaves_the_run_stuck_until_a_rollback_goes_through() {
    let scene = Scene::grown(2).await;
    plant(&scene, Call::Apply, "smoke.run", Kind::Before(FailureClass::CheckFailed));
    plant(&scene, Call::Undo, "deploy.shift", Kind::Before(FailureClass::Failed));
    let report = deploy(&scene, 3).await;
    assert_eq!(ending(&report), (Ending::Stuck, 21));
    assert_eq!(report.recovery.last().unwrap().status, StepStatus::UndoFailed);
    assert_eq!(scene.world.platform.machine().answers(), Some(&Scene::release(3).id));
    let refused = scene.plan(&Request::deploy(), Some(&Scene::release(4))).unwrap_err();
    assert!(refused.to_string().contains("stuck"), "{refused}");
    let report = scene.perform(&Request::rollback(None), None).await;
    assert_eq!(ending(&report), (Ending::RolledBack, 0));
    assert_eq!(scene.world.platform.machine().answers(), Some(&Scene::release(2).id));
    assert_eq!(ending(&deploy(&scene, 4).await), (Ending::Deployed, 0));
}

#[tokio::test]
async fn failed_first_deploy_leaves_nothing_serving() {
    let scene = Scene::default();
    plant(&scene, Call::Apply, "smoke.run", Kind::Before(FailureClass::CheckFailed));
    assert_eq!(ending(&deploy(&scene, 1).await), (Ending::Failed, 20));
    let machine = scene.world.platform.machine().clone();
    assert_eq!((machine.serving, machine.instances), (None, Vec::new()));
}

#[tokio::test]
async fn lone_check_tells_failed_from_errored_and_blocks_nothing() {
    for (verdict, code) in [(CheckOutcome::Failed, 30), (CheckOutcome::Errored, 31)] {
        for phase in [Phase::Smoke, Phase::Perf] {
            let scene = Scene::grown(1).await;
            let id = Scene::release(1).id;
            scene.world.site().verdicts.insert(id.clone(), verdict);
            let report = scene.perform(&Request::new(Verb::Phase(phase)), None).await;
            assert_eq!(ending(&report), (Ending::Failed, code), "{phase}");
            assert_eq!(history::state(&scene.records(), &id), Some(ReleaseState::Good));
        }
    }
}

#[tokio::test]
async fn release_deployed_apart_is_proved_by_a_lone_smoke() {
    let scene = Scene::grown(1).await;
    for phase in [Phase::Build, Phase::Migrate, Phase::Deploy] {
        let only = Request { only: vec![phase], ..Request::deploy() };
        scene.perform(&only, Some(&Scene::release(2))).await;
    }
    assert_eq!(history::state(&scene.records(), &Scene::release(2).id), None);
    let report = scene.perform(&Request::new(Verb::Phase(Phase::Smoke)), None).await;
    assert_eq!(ending(&report), (Ending::Done, 0));
    let records = scene.records();
    assert_eq!(history::trail(&records), [Scene::release(1).id, Scene::release(2).id]);
}

#[tokio::test]
async fn rollback_with_red_smoke_has_gone_back_and_says_thirty() {
    let scene = Scene::grown(2).await;
    scene.world.site().verdicts.insert(Scene::release(1).id, CheckOutcome::Failed);
    let report = scene.perform(&Request::rollback(None), None).await;
    assert_eq!(ending(&report), (Ending::RolledBack, 30));
    assert_eq!(report.phases[0].status, PhaseStatus::Failed);
    assert_eq!(scene.world.platform.machine().answers(), Some(&Scene::release(1).id));
    assert_eq!(history::state(&scene.records(), &Scene::release(1).id), Some(ReleaseState::Good));
}

#[tokio::test]
async fn refused_migration_changes_nothing_and_says_ten() {
    let scene = Scene::grown(1).await;
    plant(&scene, Call::Apply, "migrate.apply", Kind::Before(FailureClass::Refused));
    let release = Scene::release_with(2, &[1, 8, 9, 16]);
    let report = scene.perform(&Request::deploy(), Some(&release)).await;
    assert_eq!(ending(&report), (Ending::Refused, 10));
}

#[tokio::test]
async fn drifted_schema_refuses_the_deploy_and_nothing_is_started() {
    for situation in phases::testing::situation::drifted().await {
        let scene = &situation.scene;
        let (_, before) = scene.world.snapshot();
        let applied = scene.world.site().database.applied.clone();
        let report = scene.perform(&situation.request, situation.release.as_ref()).await;
        assert_eq!(ending(&report), (Ending::Refused, 10), "{}", situation.name);
        assert!(report.failure.unwrap().hint.is_some(), "{}", situation.name);
        let (site, after) = scene.world.snapshot();
        assert_eq!((&after.instances, &after.serving), (&before.instances, &before.serving));
        assert_eq!(site.database.applied, applied, "{}", situation.name);
        assert_eq!(history::state(&scene.records(), &situation.release.unwrap().id), None);
    }
}

#[tokio::test]
async fn red_smoke_after_migrating_ends_the_run_before_anything_is_started() {
    let scene = Scene::grown(1).await;
    plant(&scene, Call::Apply, "migrate.smoke", Kind::Before(FailureClass::CheckFailed));
    let release = Scene::release_with(2, &[1, 8, 9, 16]);
    let report = scene.perform(&Request::deploy(), Some(&release)).await;
    assert_eq!(ending(&report), (Ending::Failed, 20));
    assert!(
        !scene.records().iter().any(|r| r.run == report.run && r.step.as_deref() == Some("deploy.start"))
    );
}

#[tokio::test]
async fn lease_taken_over_during_an_effect_ends_without_another_record() {
    let scene = Scene::grown(1).await;
    plant(&scene, Call::Apply, "deploy.shift", Kind::Fenced);
    let report = deploy(&scene, 2).await;
    assert_eq!(ending(&report), (Ending::Interrupted, 12));
    assert_eq!(scene.records().last().unwrap().kind, RecordKind::Intent);
}

#[tokio::test]
async fn lease_lost_while_an_effect_hangs_ends_the_run() {
    let scene = Scene::grown(1).await;
    plant(&scene, Call::Apply, "deploy.start", Kind::Hangs);
    scene.ledger.lose_after(40);
    let report = deploy(&scene, 2).await;
    assert_eq!(ending(&report), (Ending::Interrupted, 12));
    assert_eq!(scene.records().last().unwrap().step.as_deref(), Some("deploy.start"));
}

#[tokio::test]
async fn full_disk_before_the_plan_refuses_and_later_leaves_the_run_resumable() {
    let scene = Scene::grown(1).await;
    scene.ledger.fill_up();
    let report = deploy(&scene, 2).await;
    assert_eq!(ending(&report), (Ending::Refused, 10));
    scene.ledger.revive();

    let plan = scene.plan(&Request::deploy(), Some(&Scene::release(2))).unwrap();
    let fill = |event| match event {
        Event::StepStarted { step, .. } if step == "deploy.shift" => scene.ledger.fill_up(),
        _ => {}
    };
    let report = scene.process(&Errand::Run(&plan), &Never, &fill).await.unwrap();
    assert_eq!(ending(&report), (Ending::Interrupted, 50));
    assert_eq!(report.next.as_deref(), Some("crmctl resume local"));
    assert_eq!(scene.world.platform.machine().answers(), Some(&Scene::release(1).id));
    scene.ledger.revive();
    let report = scene.process(&Errand::Resume, &Never, &|_| {}).await.unwrap();
    assert_eq!(ending(&report), (Ending::Deployed, 0));
}

#[tokio::test]
async fn plan_made_before_an_unfinished_run_appeared_is_refused_by_the_loop() {
    let scene = Scene::grown(1).await;
    let plan = scene.plan(&Request::deploy(), Some(&Scene::release(2))).unwrap();
    plant(&scene, Call::Apply, "deploy.shift", Kind::Fenced);
    deploy(&scene, 2).await;
    let report = scene.process(&Errand::Run(&plan), &Never, &|_| {}).await.unwrap();
    assert_eq!(ending(&report), (Ending::Refused, 10));
}

#[tokio::test]
async fn events_tell_the_run_in_order() {
    let scene = Scene::grown(1).await;
    let plan = scene.plan(&Request::deploy(), Some(&Scene::release(2))).unwrap();
    let (report, events) = scene.listened(&Errand::Run(&plan), &Never).await;
    assert_eq!(report.unwrap().exit_code, 0);
    assert!(matches!(events[0], Event::RunStarted { .. }));
    assert!(matches!(events[1], Event::PlanReady { .. }));
    let mut open: Option<Phase> = None;
    let mut running: Option<String> = None;
    for event in &events[2..] {
        match event {
            Event::PhaseStarted { phase } => assert_eq!(open.replace(*phase), None),
            Event::PhaseFinished { phase, .. } => assert_eq!(open.take(), Some(*phase)),
            Event::StepStarted { step, .. } => assert_eq!(running.replace(step.clone()), None),
            Event::StepFinished { step, .. } => assert_eq!(running.take().as_ref(), Some(step)),
            _ => {}
        }
    }
    assert_eq!((open, running), (None, None));
}

#[tokio::test]
async fn report_has_the_fields_of_the_contract() {
    let scene = Scene::grown(1).await;
    let report = serde_json::to_value(deploy(&scene, 1).await).unwrap();
    for field in ["run", "verb", "ending", "exit_code", "release", "phases"] {
        assert!(!report[field].is_null(), "{field}");
    }
    assert_eq!(report["ending"], "deployed");
    assert_eq!(report["phases"][1]["phase"], "build");
    assert_eq!(report["phases"][1]["status"], "unchanged");
    for field in ["id", "commit", "digest"] {
        assert!(report["release"][field].is_string(), "{field}");
    }
}

#[tokio::test]
async fn step_whose_program_was_ended_by_the_interrupt_is_no_failure() {
    for (class, expected) in [
        (FailureClass::Failed, (Ending::Interrupted, 50)),
        (FailureClass::CheckFailed, (Ending::RolledBack, 20)),
    ] {
        let scene = Scene::grown(1).await;
        let step = if class == FailureClass::Failed { "build.backend" } else { "smoke.run" };
        plant(&scene, Call::Apply, step, Kind::Before(class));
        let plan = scene.plan(&Request::deploy(), Some(&Scene::release(2))).unwrap();
        let cancel = FakeCancel::default();
        let ask = |event| {
            if matches!(&event, Event::StepFinished { step: ended, .. } if ended == step) {
                cancel.request();
            }
        };
        let report = scene.process(&Errand::Run(&plan), &cancel, &ask).await.unwrap();
        assert_eq!(ending(&report), expected, "{class:?}");
        assert_eq!(scene.world.platform.machine().answers(), Some(&Scene::release(1).id));
    }
}
