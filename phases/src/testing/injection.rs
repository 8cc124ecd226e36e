//! Generic tests: they know no phase, only plans. Each compares worlds, and asserts that what it planted is
//! what happened; else it would quietly test nothing.

use std::collections::BTreeSet;

use crate::engine::cancel::Never;
use crate::engine::journal::Record;
use crate::engine::platform::Role;
use crate::engine::report::RunReport;
use crate::engine::step::{Action, Step};
use crate::plan::Plan;
use crate::release::ReleaseId;
use crate::testing::fault::{Call, Fault, Kind};
use crate::testing::machine::Machine;
use crate::testing::scene::{Errand, Scene};
use crate::testing::situation::Situation;
use crate::testing::world::Site;

pub mod cut;
pub mod fail;
pub mod repeat;
pub mod stop;

type World = (Site, Machine);

/// The same release has the address and nothing else runs; everything else differs by forward-only facts.
fn assert_back(situation: &Situation, scene: &Scene, plan: &Plan, context: &str) {
    let (site, machine) = situation.scene.world.snapshot();
    let (site_after, machine_after) = scene.world.snapshot();
    let dead = machine.serving.is_some() && machine.answers().is_none();
    if dead {
        let gone = machine.serving == plan.target.as_ref().map(|target| target.id.clone());
        let serving = machine_after.serving.clone();
        let restored = gone && serving.as_ref() == plan.restores();
        assert!(serving == machine.serving || restored, "{context}: {serving:?} serves");
        let ours = |(id, role): &(ReleaseId, _)| Some(id) == serving.as_ref() && *role == Role::Serving;
        assert!(machine_after.instances.iter().all(ours), "{context}: {:?}", machine_after.instances);
    } else {
        let gone = stopped_leftovers(plan, &machine, &machine_after);
        let before: Machine = Machine {
            instances: machine.instances.iter().filter(|i| !gone.contains(i)).cloned().collect(),
            ..machine.clone()
        };
        assert_eq!(standing(&before), standing(&machine_after), "{context}: not as before");
    }
    assert!(site.database.applied.is_subset(&site_after.database.applied), "{context}: a migration went");
    for (before, after) in [
        (site.database.seeded, site_after.database.seeded),
        (site.database_runs, site_after.database_runs),
        (site.jobs, site_after.jobs),
    ] {
        assert!(after || !before, "{context}: a forward-only fact went back");
    }
    let removed: BTreeSet<_> = machine.present.difference(&machine_after.present).collect();
    let previous = plan.previous.as_ref();
    assert!(!removed.iter().any(|id| Some(*id) == previous), "{context}: the way back was removed");
}

/// What the plan was to stop without bringing it back, and has.
fn stopped_leftovers(plan: &Plan, before: &Machine, after: &Machine) -> Vec<(ReleaseId, Role)> {
    let leftovers: Vec<_> = plan
        .steps()
        .filter_map(|step| match &step.action {
            Action::StopLeftovers { releases } => Some(releases),
            _ => None,
        })
        .flatten()
        // Its own release may have been left too, and was adopted by its start.
        .chain(plan.target.as_ref().map(|target| &target.id))
        .collect();
    let stopped = |(id, role): &&(ReleaseId, Role)| {
        *role == Role::Candidate && leftovers.contains(&id) && !after.runs(id)
    };
    before.instances.iter().filter(stopped).cloned().collect()
}

/// What users and operators can tell apart: who has the address, and what else runs.
fn standing(machine: &Machine) -> (Option<ReleaseId>, BTreeSet<String>) {
    let mut settled = machine.clone();
    settled.settle();
    (settled.serving.clone(), settled.instances.iter().map(|instance| format!("{instance:?}")).collect())
}

fn assert_same(expected: &World, actual: &World, context: &str) {
    assert_eq!(expected.0, actual.0, "{context}");
    assert_eq!(standing(&expected.1), standing(&actual.1), "{context}");
    assert_eq!(expected.1.present, actual.1.present, "{context}");
}

/// Exactly one release has the address, unless none had it before and the run was taken back.
fn assert_one_serves(before: &Scene, after: &Scene, context: &str) {
    let machine = after.world.platform.machine().clone();
    let serving = machine.instances.iter().filter(|(_, role)| *role == Role::Serving).count();
    let known = before.world.platform.machine().instances.clone();
    let new = |i: &&(ReleaseId, Role)| i.1 == Role::Candidate && !known.contains(i);
    let others = machine.instances.iter().filter(new).count();
    let least = usize::from(before.world.platform.machine().answers().is_some());
    assert!((least..=1).contains(&serving), "{context}: {serving} serve");
    assert_eq!(others, 0, "{context}: a candidate was left");
}

fn planned(situation: &Situation) -> Plan {
    let plan = situation.scene.plan(&situation.request, situation.release.as_ref());
    plan.unwrap_or_else(|error| panic!("{}: {error}", situation.name))
}

async fn run(scene: &Scene, plan: &Plan) -> RunReport {
    scene.process(&Errand::Run(plan), &Never, &|_| {}).await.expect("nothing kills this process")
}

fn plant(scene: &Scene, step: &Step, kind: Kind) {
    scene.world.plant(Fault { call: Call::Apply, step: step.id.0.clone(), kind });
}

fn history_of(scene: &Scene, report: &RunReport) -> Vec<Record> {
    scene.records().iter().filter(|record| record.run == report.run).cloned().collect()
}

async fn later(scene: &Scene, errand: &Errand<'_>) -> RunReport {
    scene.process(errand, &Never, &|_| {}).await.expect("nothing kills this process")
}
