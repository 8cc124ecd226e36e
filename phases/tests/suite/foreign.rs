//! What another tool has changed on what serves: told, and overwritten on the operator's word only.

use phases::drift::drift;
use phases::request::{PlanError, Request};
use phases::testing::scene::Scene;

#[tokio::test]
async fn a_switch_over_a_foreign_change_needs_a_word() {
    let scene = Scene::grown(2).await;
    let said = "service `crm-backend` was changed by somebody else: variables".to_owned();
    scene.world.platform.machine().foreign = vec![said.clone()];
    assert_eq!(drift(&scene.observe(None)), std::slice::from_ref(&said));

    let next = Scene::release(3);
    let error = scene.plan(&Request::deploy(), Some(&next)).unwrap_err();
    assert!(matches!(&error, PlanError::Foreign { what, .. } if *what == said), "{error:?}");
    assert!(error.hint().unwrap().contains("--adopt"));
    let adopting = Request { adopt: true, ..Request::deploy() };
    assert!(scene.plan(&adopting, Some(&next)).unwrap().shifts());

    let same = scene.plan(&Request::deploy(), Some(&Scene::release(2))).unwrap();
    assert!(!same.shifts(), "what is not switched overwrites nothing");
    assert!(scene.plan(&Request::rollback(None), None).unwrap().shifts(), "a way back is always open");
}
