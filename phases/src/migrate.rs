//! Migrate: bring the schema to what the release needs. Expand-only, so nothing of it is taken back.

use crate::engine::step::{Action, Step, Subject};
use crate::environment::Environment;
use crate::observed::{DatabaseState, Observed};
use crate::plan::{Intent, Phase, PlannedPhase};
use crate::release::{Release, ReleaseId};

/// Runs the suite on what serves before its schema changes.
pub(crate) const BASELINE: &str = "migrate.baseline";
/// Runs it again afterwards.
pub(crate) const SMOKE: &str = "migrate.smoke";

/// Plans the phase: unchanged when nothing is pending and the seed is in.
pub fn plan(environment: &Environment, release: &Release, observed: &Observed) -> PlannedPhase {
    let pending = pending(release, &observed.database);
    let mut steps = Vec::new();
    if environment.embedded_database && needs_server(&pending, observed) {
        steps.push(ensure_database("migrate.database"));
    }
    if !pending.is_empty() || !observed.drifted.is_empty() {
        let serving = observed.alive();
        steps.extend(serving.map(|serving| baseline(environment, serving)));
        steps.push(apply(release, &pending, &observed.database));
        steps.extend(serving.map(|serving| smoke(environment, serving)));
    }
    if environment.embedded_database && !is_seeded(&observed.database) {
        steps.push(seed(release));
    }
    let intent = if steps.is_empty() { Intent::Unchanged { because: settled(release) } } else { Intent::Run };
    PlannedPhase { phase: Phase::Migrate, intent, steps }
}

/// Versions of the release that are not applied, ascending; all of them while the database is not there.
pub(crate) fn pending(release: &Release, database: &DatabaseState) -> Vec<i64> {
    let applied: &[i64] = match database {
        DatabaseState::Ready { applied, .. } => applied,
        DatabaseState::Absent | DatabaseState::Unreachable { .. } => &[],
    };
    release.migrations.iter().map(|m| m.version).filter(|version| !applied.contains(version)).collect()
}

const fn is_seeded(database: &DatabaseState) -> bool {
    matches!(database, DatabaseState::Ready { seeded: true, .. })
}

fn needs_server(pending: &[i64], observed: &Observed) -> bool {
    !pending.is_empty() || !matches!(observed.database, DatabaseState::Ready { .. })
}

fn settled(release: &Release) -> String {
    format!("schema {} is there, nothing is pending", release.needs_schema)
}

/// The private server runs.
pub(crate) fn ensure_database(step: &str) -> Step {
    let because = "an idle database server harms nobody and is there for the next run";
    Step::forward(step, "start the private PostgreSQL", Action::EnsureDatabase, because)
}

fn apply(release: &Release, versions: &[i64], database: &DatabaseState) -> Step {
    let list = versions.iter().map(|version| format!("{version:03}")).collect::<Vec<_>>().join(" ");
    let title = match database {
        DatabaseState::Ready { .. } if versions.is_empty() => "compare files and database".to_owned(),
        DatabaseState::Ready { .. } => format!("apply migrations {list}"),
        _ => format!("apply what is missing of migrations {list}"),
    };
    let action = Action::Migrate { release: release.id.clone(), versions: versions.to_vec() };
    let because = "expand migrations: the release before runs on the new schema too";
    Step::forward("migrate.apply", title, action, because)
}

/// Whether the release still serving works before its schema changes: a red one is told, and what it fails
/// afterwards is not laid on the migrations.
fn baseline(environment: &Environment, serving: &ReleaseId) -> Step {
    let title = format!("run suite `{}` on {serving} before its schema changes", environment.smoke_suite);
    suite(BASELINE, title, environment, serving)
}

/// Invariant: the release still serving works on the new schema before anything else happens.
fn smoke(environment: &Environment, serving: &ReleaseId) -> Step {
    let title = format!("run suite `{}` on {serving}, which still serves", environment.smoke_suite);
    suite(SMOKE, title, environment, serving)
}

fn suite(step: &str, title: String, environment: &Environment, serving: &ReleaseId) -> Step {
    let suite = environment.smoke_suite.clone();
    let subject = Subject::Public { release: Some(serving.clone()) };
    Step::look(step, title, Action::RunSuite { suite, subject })
}

fn seed(release: &Release) -> Step {
    let action = Action::Seed { release: release.id.clone() };
    let because = "the seed only adds what is missing and is data of the environment";
    Step::forward("migrate.seed", "put in the first accounts and data", action, because)
}
