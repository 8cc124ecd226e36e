//! What a stuck run has left running without traffic is stopped by the next run that switches or has nothing else to do.

use phases::engine::cancel::Never;
use phases::engine::event::{Ending, StepStatus};
use phases::engine::failure::FailureClass;
use phases::engine::platform::Role;
use phases::engine::report::RunReport;
use phases::release::ReleaseId;
use phases::request::Request;
use phases::testing::fault::{Call, Fault, Kind};
use phases::testing::scene::{Errand, Scene};

fn plant(scene: &Scene, call: Call, step: &str, kind: Kind) {
    scene.world.plant(Fault { call, step: step.to_owned(), kind });
}

/// Two releases deployed; the third is left without traffic by a run that ended stuck.
async fn stuck() -> Scene {
    let scene = Scene::grown(2).await;
    plant(&scene, Call::Apply, "deploy.gate", Kind::Before(FailureClass::CheckErrored));
    plant(&scene, Call::Undo, "deploy.start", Kind::Before(FailureClass::Failed));
    assert_eq!(deploy(&scene, 3).await.ending, Ending::Stuck);
    assert_eq!(idle(&scene), [Scene::release(3).id]);
    scene
}

async fn settled() -> Scene {
    let scene = stuck().await;
    scene.process(&Errand::Resolve, &Never, &|_| {}).await.unwrap();
    scene
}

async fn deploy(scene: &Scene, n: u8) -> RunReport {
    scene.perform(&Request::deploy(), Some(&Scene::release(n))).await
}

/// What runs without traffic.
fn idle(scene: &Scene) -> Vec<ReleaseId> {
    let instances = scene.world.platform.machine().instances.clone();
    instances.into_iter().filter(|(_, role)| *role == Role::Candidate).map(|(id, _)| id).collect()
}

#[tokio::test]
async fn next_deploy_stops_what_a_stuck_run_has_left() {
    for n in [4, 2] {
        let scene = settled().await;
        let plan = scene.plan(&Request::deploy(), Some(&Scene::release(n))).unwrap();
        assert!(plan.to_string().contains("deploy.leftovers"), "{plan}");
        assert_eq!(deploy(&scene, n).await.ending, Ending::Deployed);
        assert!(idle(&scene).is_empty(), "after a deploy of {n}");
        let again = scene.plan(&Request::deploy(), Some(&Scene::release(n))).unwrap();
        assert_eq!(again.effects(), 0, "{again}");
    }
}

#[tokio::test]
async fn deploy_of_the_very_release_that_was_left_adopts_it() {
    let scene = settled().await;
    assert_eq!(deploy(&scene, 3).await.ending, Ending::Deployed);
    assert!(idle(&scene).is_empty());
    assert_eq!(scene.world.platform.machine().answers(), Some(&Scene::release(3).id));
}

#[tokio::test]
async fn rollback_out_of_a_stuck_run_stops_what_it_has_left() {
    let scene = stuck().await;
    let report = scene.perform(&Request::rollback(None), None).await;
    assert_eq!((report.ending, report.exit_code), (Ending::RolledBack, 0));
    assert_eq!(scene.world.platform.machine().answers(), Some(&Scene::release(1).id));
    assert!(idle(&scene).is_empty());
}

#[tokio::test]
async fn rollback_to_what_serves_stops_it_too() {
    let scene = stuck().await;
    let report = scene.perform(&Request::rollback(Some(Scene::release(2).id)), None).await;
    assert_eq!((report.ending, report.exit_code), (Ending::RolledBack, 0));
    assert!(idle(&scene).is_empty());
}

#[tokio::test]
async fn leftover_that_cannot_be_stopped_is_told_and_hinders_nobody() {
    let scene = settled().await;
    plant(&scene, Call::Apply, "deploy.leftovers", Kind::Before(FailureClass::Failed));
    let report = deploy(&scene, 4).await;
    assert_eq!((report.ending, report.exit_code), (Ending::Deployed, 0));
    let step = report.phases.iter().flat_map(|phase| &phase.steps).find(|s| s.step == "deploy.leftovers");
    assert_eq!(step.map(|step| step.status), Some(StepStatus::Failed));
    assert_eq!(idle(&scene), [Scene::release(3).id]);
    assert_eq!(deploy(&scene, 4).await.ending, Ending::Deployed);
    assert!(idle(&scene).is_empty());
}
