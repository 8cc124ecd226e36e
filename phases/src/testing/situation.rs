//! Situations a planner can meet: every verb and flag on worlds that earlier runs have made. The generic
//! tests run over all of them.

use crate::engine::cancel::Never;
use crate::engine::event::Ending;
use crate::engine::failure::FailureClass;
use crate::plan::Phase;
use crate::release::Release;
use crate::request::{Request, Skip, Verb};
use crate::testing::fault::{Call, Fault, Kind};
use crate::testing::scene::{Errand, Scene};

/// A request on a world.
#[derive(Debug, Clone)]
pub struct Situation {
    /// For messages.
    pub name: String,
    /// The world before.
    pub scene: Scene,
    /// What is asked for.
    pub request: Request,
    /// What the checkout gives.
    pub release: Option<Release>,
}

impl Situation {
    fn new(name: impl Into<String>, scene: Scene, request: Request, release: Option<Release>) -> Self {
        Self { name: name.into(), scene, request, release }
    }
}

/// All of them.
pub async fn all() -> Vec<Situation> {
    let mut all = deploys().await;
    all.extend(after_stuck().await);
    all.extend(after_reboot().await);
    all.extend(parts().await);
    all.extend(alone().await);
    all.extend(rollbacks().await);
    all
}

fn deploy(name: &str, scene: Scene, release: Release) -> Situation {
    Situation::new(name, scene, Request::deploy(), Some(release))
}

async fn deploys() -> Vec<Situation> {
    let jobs_off = Scene::grown(1).await;
    jobs_off.world.site().jobs = false;
    let mut other_load = Scene::grown(1).await;
    other_load.environment.perf.rate = 200;
    let mut no_jobs = Scene::grown(1).await;
    no_jobs.environment.jobs = false;
    no_jobs.world.site().jobs = false;
    let gone_back = Scene::grown(3).await;
    gone_back.perform(&Request::rollback(None), None).await;
    let mut external = Scene::grown(1).await;
    external.environment.embedded_database = false;
    vec![
        deploy("first deploy", Scene::default(), Scene::release(1)),
        deploy("second release", Scene::grown(1).await, Scene::release(2)),
        deploy("with migrations", Scene::grown(1).await, Scene::release_with(2, &[1, 8, 9, 16, 18])),
        deploy(
            "with a contract migration",
            Scene::grown(1).await,
            Scene::release_with(2, &[1, 8, 9, 16, 20]),
        ),
        deploy(
            "first deploy, with a contract migration",
            Scene::default(),
            Scene::release_with(1, &[1, 20, 21]),
        ),
        deploy("nothing changed", Scene::grown(1).await, Scene::release(1)),
        deploy("nothing changed, jobs off", jobs_off, Scene::release(1)),
        deploy("second release, without jobs", no_jobs, Scene::release(2)),
        deploy("nothing changed, other load", other_load, Scene::release(1)),
        deploy("fifth release", Scene::grown(4).await, Scene::release(5)),
        deploy("again while it drains", gone_back, Scene::release(3)),
        deploy("own database", external, Scene::release_with(2, &[1, 8, 9, 16])),
    ]
}

/// Situations in which an applied migration was edited afterwards: migrate has a step, and it is refused.
pub async fn drifted() -> Vec<Situation> {
    let mut all = Vec::new();
    let skip = vec![Skip { phase: Phase::Preflight, reason: "known".to_owned() }];
    let skipping = Request { skip, ..Request::deploy() };
    let alone = Request::new(Verb::Phase(Phase::Migrate));
    for (name, request) in [("deploy", Request::deploy()), ("--skip preflight", skipping), ("migrate", alone)]
    {
        for (what, migrations) in [("", &[1, 8, 9][..]), (" with more", &[1, 8, 9, 16][..])] {
            let scene = prepared().await;
            if request.verb == Verb::Phase(Phase::Migrate) {
                scene
                    .perform(
                        &Request::new(Verb::Phase(Phase::Build)),
                        Some(&Scene::release_with(3, migrations)),
                    )
                    .await;
            }
            scene.world.site().database.drifted = [8].into();
            let release = Some(Scene::release_with(3, migrations));
            all.push(Situation::new(format!("drifted, {name}{what}"), scene, request.clone(), release));
        }
    }
    all
}

async fn after_reboot() -> Vec<Situation> {
    let same = Scene::grown(1).await;
    same.reboot();
    let same_of_two = Scene::grown(2).await;
    same_of_two.reboot();
    let next = Scene::grown(1).await;
    next.reboot();
    let back = Scene::grown(2).await;
    back.reboot();
    vec![
        deploy("same release after a reboot", same, Scene::release(1)),
        deploy("same release after a reboot, with one before it", same_of_two, Scene::release(2)),
        deploy("next release after a reboot", next, Scene::release(2)),
        Situation::new("rollback after a reboot", back, Request::rollback(None), None),
    ]
}

/// Two releases deployed; the third is left without traffic by a run that ended stuck and was settled by a person.
async fn left_over() -> Scene {
    let scene = Scene::grown(2).await;
    let plant = |call, step: &str, kind| scene.world.plant(Fault { call, step: step.to_owned(), kind });
    plant(Call::Apply, "deploy.gate", Kind::Before(FailureClass::CheckErrored));
    plant(Call::Undo, "deploy.start", Kind::Before(FailureClass::Failed));
    let stuck = scene.perform(&Request::deploy(), Some(&Scene::release(3))).await;
    assert_eq!(stuck.ending, Ending::Stuck, "the fixture itself went through");
    scene.process(&Errand::Resolve, &Never, &|_| {}).await.expect("nothing kills this process");
    assert!(scene.world.platform.machine().runs(&Scene::release(3).id), "the fixture left nothing");
    scene
}

async fn after_stuck() -> Vec<Situation> {
    let (next, back) = (left_over().await, left_over().await);
    vec![
        deploy("nothing changed after a stuck run", left_over().await, Scene::release(2)),
        deploy("same release after a stuck run", left_over().await, Scene::release(3)),
        deploy("next release after a stuck run", next, Scene::release(4)),
        Situation::new("rollback after a stuck run", back, Request::rollback(None), None),
    ]
}

/// A scene with release 1 serving and release 2 built and its migrations applied.
async fn prepared() -> Scene {
    let scene = Scene::grown(1).await;
    for phase in [Phase::Build, Phase::Migrate] {
        scene.perform(&Request::new(Verb::Phase(phase)), Some(&Scene::release(2))).await;
    }
    scene
}

async fn parts() -> Vec<Situation> {
    let mut parts = Vec::new();
    for phase in Phase::PIPELINE {
        let from = Request { from: Some(phase), ..Request::deploy() };
        parts.push(Situation::new(
            format!("--from {phase}"),
            prepared().await,
            from,
            Some(Scene::release(2)),
        ));
        let only = Request { only: vec![phase], ..Request::deploy() };
        parts.push(Situation::new(
            format!("--only {phase}"),
            prepared().await,
            only,
            Some(Scene::release(2)),
        ));
    }
    for phase in [Phase::Preflight, Phase::Build, Phase::Migrate, Phase::Smoke, Phase::Perf] {
        let skip = vec![Skip { phase, reason: "known".to_owned() }];
        let request = Request { skip, ..Request::deploy() };
        let name = format!("--skip {phase}");
        parts.push(Situation::new(name, prepared().await, request, Some(Scene::release(2))));
    }
    let only = Request { only: vec![Phase::Migrate, Phase::Deploy], ..Request::deploy() };
    parts.push(Situation::new("--only migrate,deploy", prepared().await, only, Some(Scene::release(2))));
    parts
}

async fn alone() -> Vec<Situation> {
    let mut alone = Vec::new();
    for phase in [Phase::Preflight, Phase::Build, Phase::Migrate, Phase::Smoke, Phase::Perf] {
        let release = match phase {
            Phase::Migrate => Scene::release_with(1, &[1, 8, 9, 16]),
            _ => Scene::release(2),
        };
        let name = format!("{phase} alone");
        let request = Request::new(Verb::Phase(phase));
        alone.push(Situation::new(name, Scene::grown(1).await, request, Some(release)));
    }
    let request = Request { contract: true, ..Request::new(Verb::Phase(Phase::Migrate)) };
    let release = Scene::release_with(1, &[1, 8, 9, 16, 20]);
    alone.push(Situation::new("contract alone", Scene::grown(1).await, request, Some(release)));
    alone
}

async fn rollbacks() -> Vec<Situation> {
    let twice = Scene::grown(3).await;
    twice.perform(&Request::rollback(None), None).await;
    let unproved = prepared().await;
    let only = Request { only: vec![Phase::Deploy], ..Request::deploy() };
    unproved.perform(&only, Some(&Scene::release(2))).await;
    let back = |name: &str, scene, to: Option<u8>| {
        let request = Request::rollback(to.map(|n| Scene::release(n).id));
        Situation::new(name, scene, request, None)
    };
    vec![
        back("rollback", Scene::grown(3).await, None),
        back("second rollback", twice, None),
        back("rollback of an unproved release", unproved, None),
        back("rollback to a named release", Scene::grown(3).await, Some(1)),
        back("rollback to what serves", Scene::grown(3).await, Some(3)),
    ]
}
