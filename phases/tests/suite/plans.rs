//! What the planners decide. Printed plans are compared with the reviewed ones beside this file.

use phases::engine::step::Action;
use phases::observed::{Blockage, DatabaseState, KnownRelease};
use phases::plan::{Intent, Phase, Plan};
use phases::release::{ReleaseId, ReleaseState};
use phases::request::{PlanError, Request, Skip, Verb};
use phases::testing::scene::Scene;
use phases::testing::situation;

async fn printed(name: &str) -> String {
    let all = situation::all().await;
    let found = all.iter().find(|situation| situation.name == name).unwrap();
    found.scene.plan(&found.request, found.release.as_ref()).unwrap().to_string()
}

#[tokio::test]
async fn plans_read_as_reviewed() {
    for name in [
        "first deploy",
        "second release",
        "with migrations",
        "nothing changed",
        "nothing changed, jobs off",
        "next release after a reboot",
        "--from deploy",
        "--skip perf",
        "smoke alone",
        "rollback",
        "second rollback",
        "rollback to what serves",
    ] {
        insta::assert_snapshot!(name.replace([' ', ','], "_"), printed(name).await);
    }
}

#[tokio::test]
async fn drifted_schema_is_compared_even_when_nothing_is_pending() {
    for situation in situation::drifted().await {
        let plan = situation.scene.plan(&situation.request, situation.release.as_ref()).unwrap();
        let step = plan.step("migrate.apply").expect("migrate has to look");
        let more = situation.name.ends_with("with more");
        let title = if more { "apply migrations 016" } else { "compare files and database" };
        assert_eq!(step.title, title, "{}", situation.name);
        assert!(plan.step("migrate.smoke").is_some(), "{}", situation.name);
    }
    let scene = situation::drifted().await.remove(0).scene;
    scene.reboot();
    assert_eq!(scene.observe(None).drifted, Vec::<i64>::new(), "nobody can tell while the server is away");
}

#[tokio::test]
async fn planning_is_deterministic_and_survives_json() {
    for situation in situation::all().await {
        let plan = || situation.scene.plan(&situation.request, situation.release.as_ref()).unwrap();
        assert_eq!(plan(), plan(), "{}", situation.name);
        let json = serde_json::to_string(&plan()).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan(), "{}", situation.name);
    }
}

#[tokio::test]
async fn step_ids_are_unique_and_belong_to_their_phase() {
    for situation in situation::all().await {
        let plan = situation.scene.plan(&situation.request, situation.release.as_ref()).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for planned in &plan.phases {
            for step in &planned.steps {
                assert!(step.id.0.starts_with(&format!("{}.", planned.phase)), "{}", step.id);
                assert!(seen.insert(step.id.clone()), "{}: {} twice", situation.name, step.id);
            }
        }
    }
}

#[tokio::test]
async fn second_deploy_of_the_same_release_has_no_effect_and_reuses_perf() {
    let scene = Scene::grown(1).await;
    let plan = scene.plan(&Request::deploy(), Some(&Scene::release(1))).unwrap();
    assert_eq!(plan.effects(), 0);
    assert_eq!(intent(&plan, Phase::Smoke), &Intent::Run);
    match intent(&plan, Phase::Perf) {
        Intent::Unchanged { because } => assert!(because.contains("run-1"), "{because}"),
        other => panic!("{other:?}"),
    }
    assert!(!plan.proves, "it has been proved");
}

#[tokio::test]
async fn perf_measures_again_when_asked_by_name_or_otherwise() {
    let mut scene = Scene::grown(1).await;
    let release = Scene::release(1);
    let alone = scene.plan(&Request::new(Verb::Phase(Phase::Perf)), None).unwrap();
    let only = Request { only: vec![Phase::Perf], ..Request::deploy() };
    let only = scene.plan(&only, Some(&release)).unwrap();
    scene.environment.perf.duration_seconds = 6;
    let other = scene.plan(&Request::deploy(), Some(&release)).unwrap();
    for plan in [alone, only, other] {
        assert_eq!(intent(&plan, Phase::Perf), &Intent::Run, "{plan}");
    }
}

#[tokio::test]
async fn retiring_keeps_the_new_one_and_three_to_go_back_to() {
    let scene = Scene::grown(5).await;
    let plan = scene.plan(&Request::deploy(), Some(&Scene::release(6))).unwrap();
    assert_eq!(kept(&plan, "deploy.retire"), ids(&[6, 5, 4, 3]));
    assert_eq!(kept(&plan, "rollback.retire"), ids(&[6, 5, 4, 3, 2]));
}

#[tokio::test]
async fn release_being_drained_is_kept_even_if_only_one_may_stay() {
    let mut scene = Scene::grown(2).await;
    scene.environment.retention = 1;
    let plan = scene.plan(&Request::deploy(), Some(&Scene::release(3))).unwrap();
    assert_eq!(kept(&plan, "deploy.retire"), ids(&[3, 2]));
}

#[tokio::test]
async fn rollback_goes_one_further_back_each_time_until_none_is_left() {
    let scene = Scene::grown(3).await;
    for expected in [2, 1] {
        let report = scene.perform(&Request::rollback(None), None).await;
        assert_eq!((report.exit_code, target(report.release)), (0, Some(Scene::release(expected).id)));
    }
    let refused = scene.plan(&Request::rollback(None), None).unwrap_err();
    assert!(matches!(refused, PlanError::NothingToGoBackTo { .. }), "{refused}");
}

#[tokio::test]
async fn release_left_behind_by_rollbacks_is_not_gone_back_to() {
    let scene = Scene::grown(3).await;
    scene.perform(&Request::rollback(None), None).await;
    scene.perform(&Request::rollback(None), None).await;
    scene.perform(&Request::deploy(), Some(&Scene::release(4))).await;
    let plan = scene.plan(&Request::rollback(None), None).unwrap();
    assert_eq!(target(plan.target), Some(Scene::release(1).id));
}

#[tokio::test]
async fn rollback_passes_over_what_is_gone_and_says_so() {
    let scene = Scene::grown(3).await;
    scene.world.platform.machine().present.remove(&Scene::release(2).id);
    let plan = scene.plan(&Request::rollback(None), None).unwrap();
    assert_eq!(target(plan.target), Some(Scene::release(1).id));
    scene.world.platform.machine().present.remove(&Scene::release(1).id);
    let refused = scene.plan(&Request::rollback(None), None).unwrap_err().to_string();
    for id in ids(&[1, 2]) {
        assert!(refused.contains(&format!("`{id}` is no longer on the platform")), "{refused}");
    }
}

#[tokio::test]
async fn rollback_to_unfit_releases_is_refused_with_the_reason() {
    let scene = Scene::grown(3).await;
    let mut observed = scene.observe(None);
    observed.releases[0].state = ReleaseState::Blocked;
    observed.releases[0].reason = Some("deploy.gate: smoke/login".to_owned());
    observed.platform.present.retain(|id| id != &Scene::release(2).id);
    for (release, reason) in
        [(1, "is blocked: deploy.gate: smoke/login"), (2, "no longer on"), (9, "never proved good")]
    {
        let request = Request::rollback(Some(Scene::release(release).id));
        let error = phases::pipeline::plan(&request, &scene.environment, None, &observed).unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
        assert_eq!(error.hint().unwrap(), "run `crmctl history local` to see the releases");
    }
}

#[tokio::test]
async fn blocked_release_is_not_deployed() {
    let scene = Scene::grown(1).await;
    let release = Scene::release(2);
    let mut observed = scene.observe(Some(&release));
    observed.releases.push(KnownRelease {
        id: release.id.clone(),
        commit: release.commit.clone(),
        digest: String::new(),
        state: ReleaseState::Blocked,
        at: String::new(),
        reason: Some("smoke.run: smoke/login".to_owned()),
    });
    let plan =
        |request: &Request| phases::pipeline::plan(request, &scene.environment, Some(&release), &observed);
    let error = plan(&Request::deploy()).unwrap_err();
    assert!(matches!(error, PlanError::Blocked { .. }), "{error}");
    assert!(error.hint().unwrap().contains("deploy a new commit"));
    plan(&Request::new(Verb::Phase(Phase::Preflight))).unwrap();
}

#[tokio::test]
async fn missing_build_or_schema_is_refused_with_the_command() {
    let scene = Scene::grown(1).await;
    let release = Scene::release_with(2, &[1, 8, 9, 16]);
    let only = |phases: &[Phase]| Request { only: phases.to_vec(), ..Request::deploy() };
    let refused = |request: &Request| scene.plan(request, Some(&release)).unwrap_err().hint().unwrap();
    assert_eq!(refused(&only(&[Phase::Migrate])), "run `crmctl build local`");
    assert_eq!(
        refused(&Request { from: Some(Phase::Deploy), ..Request::deploy() }),
        "run `crmctl build local`"
    );
    scene.perform(&Request::new(Verb::Phase(Phase::Build)), Some(&release)).await;
    assert_eq!(refused(&only(&[Phase::Deploy])), "run `crmctl migrate local`");
    scene.reboot();
    assert_eq!(refused(&only(&[Phase::Deploy])), "run `crmctl migrate local`");
    assert!(scene.plan(&Request { from: Some(Phase::Migrate), ..Request::deploy() }, Some(&release)).is_ok());
}

#[tokio::test]
async fn unreachable_database_is_left_to_preflight_when_it_runs() {
    let scene = Scene::grown(1).await;
    let release = Scene::release(2);
    let mut observed = scene.observe(Some(&release));
    observed.built = Some("sha256:2".to_owned());
    observed.database = DatabaseState::Unreachable { reason: "connection refused".to_owned() };
    let plan =
        |request: &Request| phases::pipeline::plan(request, &scene.environment, Some(&release), &observed);
    plan(&Request::deploy()).unwrap();
    let alone = plan(&Request::new(Verb::Phase(Phase::Migrate))).unwrap_err();
    assert!(alone.to_string().contains("connection refused"));
}

#[test]
fn checks_without_anything_serving_are_refused() {
    let scene = Scene::default();
    for phase in [Phase::Smoke, Phase::Perf] {
        let error = scene.plan(&Request::new(Verb::Phase(phase)), None).unwrap_err();
        assert_eq!(error.hint().unwrap(), "run `crmctl deploy local`");
    }
}

#[tokio::test]
async fn blockage_refuses_changes_and_leaves_looking_possible() {
    let scene = Scene::grown(2).await;
    let release = Scene::release(3);
    let mut observed = scene.observe(Some(&release));
    let (run, verb) = ("run-9".to_owned(), "deploy".to_owned());
    let unfinished = Blockage::Unfinished { run: run.clone(), verb: verb.clone() };
    for (blockage, rollback) in [(unfinished, false), (Blockage::Stuck { run, verb }, true)] {
        observed.blockage = Some(blockage);
        let plan = |request: &Request| {
            phases::pipeline::plan(request, &scene.environment, Some(&release), &observed)
        };
        for verb in [Verb::Pipeline, Verb::Phase(Phase::Build), Verb::Phase(Phase::Migrate)] {
            let error = plan(&Request::new(verb)).unwrap_err();
            assert!(error.hint().unwrap().contains("crmctl rollback local"), "{error}");
        }
        for phase in [Phase::Preflight, Phase::Smoke, Phase::Perf] {
            plan(&Request::new(Verb::Phase(phase))).unwrap();
        }
        assert_eq!(plan(&Request::rollback(None)).is_ok(), rollback);
    }
}

#[test]
fn contradicting_flags_are_refused() {
    let skip = |reason: &str| vec![Skip { phase: Phase::Smoke, reason: reason.to_owned() }];
    let release = Scene::release(1);
    for request in [
        Request { from: Some(Phase::Build), only: vec![Phase::Smoke], ..Request::deploy() },
        Request { only: vec![Phase::Rollback], ..Request::deploy() },
        Request { from: Some(Phase::Rollback), ..Request::deploy() },
        Request { skip: skip(" "), ..Request::deploy() },
        Request { skip: skip("known"), ..Request::new(Verb::Phase(Phase::Smoke)) },
        Request { to: Some(release.id.clone()), ..Request::deploy() },
    ] {
        let error = Scene::default().plan(&request, Some(&release)).unwrap_err();
        assert!(matches!(error, PlanError::Contradiction(_)), "{request:?}: {error}");
    }
}

#[test]
fn verbs_that_make_a_release_need_one() {
    let error = Scene::default().plan(&Request::deploy(), None).unwrap_err();
    assert_eq!(error, PlanError::NoRelease { verb: "deploy".to_owned() });
}

fn intent(plan: &Plan, phase: Phase) -> &Intent {
    &plan.phases.iter().find(|planned| planned.phase == phase).unwrap().intent
}

fn kept(plan: &Plan, step: &str) -> Vec<ReleaseId> {
    match &plan.step(step).unwrap().action {
        Action::RetireReleases { keep } => keep.clone(),
        other => panic!("{other:?}"),
    }
}

fn ids(numbers: &[u8]) -> Vec<ReleaseId> {
    numbers.iter().map(|n| Scene::release(*n).id).collect()
}

fn target(target: Option<phases::plan::Target>) -> Option<ReleaseId> {
    target.map(|target| target.id)
}
