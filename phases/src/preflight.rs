//! Preflight: refuse what cannot work before anything changes. Only looks; cheap questions first.

use crate::engine::step::{Action, Requirement, Step};
use crate::environment::{Environment, PlatformKind};
use crate::plan::{Intent, Phase, PlannedPhase};

/// Cheapest first: the journal, the checkout, files, programs, then the network.
const ORDER: [(Requirement, &str, &str); 11] = [
    (Requirement::Release, "preflight.release", "the release is not blocked"),
    (Requirement::Source, "preflight.source", "branch, upstream and tree are in order"),
    (Requirement::Migrations, "preflight.migrations", "migration files are numbered and complete"),
    (Requirement::Dependencies, "preflight.dependencies", "required packages are in the lock file"),
    (Requirement::Secrets, "preflight.secrets", "secrets are complete and private"),
    (Requirement::Tools, "preflight.tools", "programs are installed in fitting versions"),
    (Requirement::Disk, "preflight.disk", "there is enough free space"),
    (Requirement::Ports, "preflight.ports", "ports are free or ours"),
    (Requirement::Engine, "preflight.engine", "the engine answers, is a swarm and has the edge"),
    (Requirement::Registry, "preflight.registry", "the registry takes images"),
    (Requirement::Database, "preflight.database", "the database can be reached or started"),
];

/// Plans the phase. It always runs: what it asks can change at any time.
pub fn plan(environment: &Environment) -> PlannedPhase {
    let applies = |requirement: &Requirement| match requirement {
        Requirement::Ports => environment.platform == PlatformKind::Process,
        Requirement::Engine | Requirement::Registry => environment.platform == PlatformKind::Swarm,
        _ => true,
    };
    let step = |(requirement, id, title): &(Requirement, &str, &str)| {
        Step::look(id, *title, Action::Require { requirement: *requirement })
    };
    let steps = ORDER.iter().filter(|(requirement, ..)| applies(requirement)).map(step).collect();
    PlannedPhase { phase: Phase::Preflight, intent: Intent::Run, steps }
}
