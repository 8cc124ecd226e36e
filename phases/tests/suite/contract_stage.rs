//! When contract migrations are part of a plan.

use phases::engine::step::Action;
use phases::plan::{Phase, Plan};
use phases::request::{PlanError, Request, Verb};
use phases::testing::scene::Scene;

fn versions(plan: &Plan) -> Option<Vec<i64>> {
    plan.steps().find_map(|step| match &step.action {
        Action::Migrate { versions, .. } => Some(versions.clone()),
        _ => None,
    })
}

#[tokio::test]
async fn a_deploy_stops_before_a_contract_migration_and_goes_through() {
    let scene = Scene::grown(1).await;
    let release = Scene::release_with(2, &[1, 8, 9, 16, 20]);
    let plan = scene.plan(&Request::deploy(), Some(&release)).unwrap();
    assert_eq!(versions(&plan), Some(vec![16]));
    assert_eq!(scene.perform(&Request::deploy(), Some(&release)).await.exit_code, 0);
    let again = scene.plan(&Request::deploy(), Some(&release)).unwrap();
    assert_eq!(versions(&again), None, "the next deploy has nothing to migrate");
    let because = format!("{again}");
    assert!(because.contains("`crmctl migrate local --contract`"), "{because}");
}

#[tokio::test]
async fn a_contract_migration_runs_by_name_and_where_nothing_ever_served() {
    let contract = Request { contract: true, ..Request::new(Verb::Phase(Phase::Migrate)) };
    let release = Scene::release_with(2, &[1, 8, 9, 16, 20]);
    let scene = Scene::grown(1).await;
    scene.perform(&Request::deploy(), Some(&release)).await;
    assert_eq!(versions(&scene.plan(&contract, Some(&release)).unwrap()), Some(vec![20]));
    let fresh = Scene::default().plan(&Request::deploy(), Some(&release)).unwrap();
    assert_eq!(versions(&fresh), Some(vec![1, 8, 9, 16, 20]));
    let elsewhere = Request { contract: true, ..Request::deploy() };
    assert!(matches!(scene.plan(&elsewhere, Some(&release)), Err(PlanError::Contradiction(_))));
}

#[tokio::test]
async fn what_waits_behind_a_contract_migration_is_refused_and_the_verb_named() {
    let scene = Scene::grown(1).await;
    let release = Scene::release_with(2, &[1, 8, 9, 20, 21]);
    let error = scene.plan(&Request::deploy(), Some(&release)).unwrap_err();
    assert_eq!(error.to_string(), "migrations 021 wait behind contract migration 020");
    assert!(error.hint().unwrap().contains("crmctl migrate local --contract"));
    // Nobody can ask a database that does not run: 020 may be applied long since.
    scene.reboot();
    let plan = scene.plan(&Request::deploy(), Some(&release)).unwrap();
    assert_eq!(versions(&plan), Some(vec![1, 8, 9, 21]));
}
