//! Whoever goes on with a run raises the fence before he looks; without it nothing is looked at and nothing written.

use phases::engine::cancel::Never;
use phases::engine::clock::Clock;
use phases::engine::event::Ending;
use phases::engine::failure::FailureClass;
use phases::engine::fence;
use phases::engine::history;
use phases::engine::journal::Kind as RecordKind;
use phases::engine::ledger::{Claim, Ledger};
use phases::engine::report::RunReport;
use phases::request::Request;
use phases::testing::fault::{Call, FENCE, Fault, Kind};
use phases::testing::ledger::Death;
use phases::testing::scene::{Errand, Scene};

/// A deploy that was killed right before its switch.
async fn killed() -> Scene {
    let scene = Scene::grown(1).await;
    let plan = scene.plan(&Request::deploy(), Some(&Scene::release(2))).unwrap();
    let shift = |scene: &Scene| {
        let intent = |r: &phases::engine::journal::Record| {
            r.kind == RecordKind::Intent && r.step.as_deref() == Some("deploy.shift")
        };
        scene.records().last().is_some_and(intent)
    };
    for records in 1.. {
        let scene = scene.clone();
        scene.ledger.die(Death::After(records));
        assert!(scene.process(&Errand::Run(&plan), &Never, &|_| {}).await.is_none(), "no such record");
        scene.ledger.revive();
        if shift(&scene) {
            return scene;
        }
    }
    unreachable!()
}

async fn go_on(scene: &Scene, errand: &Errand<'_>, answers: &[Kind]) -> RunReport {
    for kind in answers {
        scene.world.plant(Fault { call: Call::Fence, step: FENCE.to_owned(), kind: *kind });
    }
    scene.process(errand, &Never, &|_| {}).await.unwrap()
}

#[tokio::test]
async fn run_is_gone_on_with_behind_a_raised_fence() {
    for errand in [Errand::Resume, Errand::Unwind] {
        for answers in [&[][..], &[Kind::Lost], &[Kind::Unheard, Kind::Lost]] {
            let scene = killed().await;
            let before = scene.world.platform.machine().token;
            let report = go_on(&scene, &errand, answers).await;
            assert_eq!(report.exit_code, 0, "{errand:?} {answers:?}: {report:?}");
            assert!(scene.world.platform.machine().token > before, "{errand:?} {answers:?}");
        }
    }
}

#[tokio::test]
async fn run_stays_as_it_is_when_the_fence_cannot_be_raised() {
    let no = Kind::Before(FailureClass::Failed);
    for errand in [Errand::Resume, Errand::Unwind] {
        for answers in [&[no][..], &[Kind::Lost; 5], &[Kind::Lost, no]] {
            let scene = killed().await;
            let (records, world) = (scene.records().len(), scene.world.snapshot());
            let report = go_on(&scene, &errand, answers).await;
            assert_eq!((report.ending, report.exit_code), (Ending::Interrupted, 50), "{answers:?}");
            assert_eq!(report.next.as_deref(), Some("crmctl resume local"));
            assert!(report.failure.unwrap().message.contains("fence"), "{answers:?}");
            assert_eq!((scene.records().len(), scene.world.snapshot()), (records, world), "{answers:?}");
            assert!(history::unfinished(&scene.records()).unwrap().is_some());
            assert_eq!(go_on(&scene, &errand, &[]).await.exit_code, 0, "{answers:?}");
        }
    }
}

#[tokio::test]
async fn run_is_left_to_a_newer_one_that_has_raised_the_fence() {
    let scene = killed().await;
    scene.world.platform.machine().token = 99;
    let report = go_on(&scene, &Errand::Resume, &[]).await;
    assert_eq!((report.ending, report.exit_code), (Ending::Interrupted, 12));
    assert_ne!(scene.records().last().unwrap().kind, RecordKind::Adopt);
}

#[tokio::test]
async fn lease_that_is_lost_while_a_target_is_silent_ends_the_asking() {
    let scene = Scene::grown(1).await;
    let claim =
        Claim { holder: "ana@pc1".to_owned(), run: "run-2".to_owned(), verb: "deploy".to_owned(), above: 0 };
    let ledger = scene.ledger.another();
    let lease = ledger.acquire(&claim).await.unwrap();
    for _ in 0..2 {
        scene.world.plant(Fault { call: Call::Fence, step: FENCE.to_owned(), kind: Kind::Lost });
    }
    scene.ledger.lose_after(0);
    let failure = fence::raise(&scene.world, &ledger, &scene.clock, &lease).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::LeaseLost);
    assert_eq!(scene.world.fired().len(), 1, "it was asked again");
    assert!(scene.clock.elapsed().as_secs() >= 1, "it was not waited");
}
