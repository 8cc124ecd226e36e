//! What facts of the environment change in a plan.

use phases::engine::step::Action;
use phases::request::Request;
use phases::testing::scene::Scene;

#[tokio::test]
async fn jobs_that_are_switched_off_are_never_started() {
    let mut scene = Scene::grown(1).await;
    scene.environment.jobs = false;
    scene.world.site().jobs = false;
    for release in [Scene::release(1), Scene::release(2)] {
        let plan = scene.plan(&Request::deploy(), Some(&release)).unwrap();
        assert!(plan.steps().all(|step| step.action != Action::StartJobs), "{plan}");
    }
    let report = scene.perform(&Request::deploy(), Some(&Scene::release(2))).await;
    assert_eq!(report.exit_code, 0, "{report:?}");
}

#[tokio::test]
async fn perf_measures_again_when_a_threshold_or_the_suite_changes() {
    let mut scene = Scene::grown(1).await;
    let measures = |scene: &Scene| {
        let plan = scene.plan(&Request::deploy(), Some(&Scene::release(1))).unwrap();
        plan.steps().any(|step| matches!(step.action, Action::RunLoad { .. }))
    };
    assert!(!measures(&scene));
    scene.environment.perf.files = "sha256:tightened".to_owned();
    assert!(measures(&scene));
}
