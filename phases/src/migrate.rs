//! Migrate: bring the schema to what the release needs. Nothing of it is taken back: expand migrations bear the
//! release before, and contract migrations, which do not, run only when asked for by name.

use crate::engine::step::{Action, Step, Subject};
use crate::environment::Environment;
use crate::observed::{DatabaseState, Observed};
use crate::plan::{Intent, Phase, PlannedPhase};
use crate::release::{Release, ReleaseId};

/// Runs the suite on what serves before its schema changes.
pub(crate) const BASELINE: &str = "migrate.baseline";
/// Runs it again afterwards.
pub(crate) const SMOKE: &str = "migrate.smoke";

/// Plans the phase: unchanged when nothing is due and the seed is in.
pub fn plan(environment: &Environment, release: &Release, observed: &Observed) -> PlannedPhase {
    assemble(environment, release, observed, &due(release, observed))
}

/// Plans the phase with contract migrations (`migrate --contract`). Whether a release that may serve again needs
/// the old shape is asked when they run: only its files can tell.
pub fn contract(environment: &Environment, release: &Release, observed: &Observed) -> PlannedPhase {
    assemble(environment, release, observed, &pending(release, &observed.database))
}

fn assemble(
    environment: &Environment,
    release: &Release,
    observed: &Observed,
    versions: &[i64],
) -> PlannedPhase {
    let mut steps = Vec::new();
    if environment.embedded_database && needs_server(versions, observed) {
        steps.push(ensure_database("migrate.database"));
    }
    if !versions.is_empty() || !observed.drifted.is_empty() {
        let serving = observed.alive();
        steps.extend(serving.map(|serving| baseline(environment, serving)));
        steps.push(apply(release, versions, &observed.database));
        steps.extend(serving.map(|serving| smoke(environment, serving)));
    }
    if lacks_accounts(environment, &observed.database) {
        steps.push(seed(release));
    }
    let settled = || settled(environment, release, observed);
    let intent = if steps.is_empty() { Intent::Unchanged { because: settled() } } else { Intent::Run };
    PlannedPhase { phase: Phase::Migrate, intent, steps }
}

/// Versions that a deploy applies, ascending: what is not applied, up to the first contract migration. Where
/// nothing ever served, nothing can break, and all of it is due. While nobody can ask the database, a contract
/// migration may be applied already: then all others are named, and the effect applies what is missing of them.
pub(crate) fn due(release: &Release, observed: &Observed) -> Vec<i64> {
    let pending = pending(release, &observed.database);
    let may_run = |version: &i64| !is_contract(release, *version);
    match &observed.database {
        _ if is_fresh(observed) => pending,
        DatabaseState::Ready { .. } => pending.into_iter().take_while(may_run).collect(),
        _ => pending.into_iter().filter(may_run).collect(),
    }
}

/// The contract migration that is not applied, and what the release needs above it.
pub(crate) fn behind_contract(release: &Release, observed: &Observed) -> Option<(i64, Vec<i64>)> {
    let DatabaseState::Ready { .. } = observed.database else { return None };
    let pending = pending(release, &observed.database);
    let rest = pending.get(due(release, observed).len()..)?;
    let (first, above) = rest.split_first()?;
    let waiting: Vec<i64> = above.iter().copied().filter(|version| !is_contract(release, *version)).collect();
    (!waiting.is_empty()).then_some((*first, waiting))
}

/// Versions of the release that are not applied, ascending; all of them while the database is not there.
fn pending(release: &Release, database: &DatabaseState) -> Vec<i64> {
    let applied: &[i64] = match database {
        DatabaseState::Ready { applied, .. } => applied,
        DatabaseState::Absent | DatabaseState::Unreachable { .. } => &[],
    };
    release.migrations.iter().map(|m| m.version).filter(|version| !applied.contains(version)).collect()
}

fn is_contract(release: &Release, version: i64) -> bool {
    release.migrations.iter().any(|pin| pin.version == version && pin.contract)
}

/// Nothing serves here and nothing was ever good.
fn is_fresh(observed: &Observed) -> bool {
    observed.platform.serving.is_none() && observed.trail.is_empty()
}

/// Nobody could log in, the gate least of all. Of a database that somebody else runs only its own answer counts.
const fn lacks_accounts(environment: &Environment, database: &DatabaseState) -> bool {
    match database {
        DatabaseState::Ready { seeded, .. } => !*seeded,
        DatabaseState::Absent | DatabaseState::Unreachable { .. } => environment.embedded_database,
    }
}

fn needs_server(pending: &[i64], observed: &Observed) -> bool {
    !pending.is_empty() || !matches!(observed.database, DatabaseState::Ready { .. })
}

fn settled(environment: &Environment, release: &Release, observed: &Observed) -> String {
    let waiting = pending(release, &observed.database);
    match waiting.first() {
        None => format!("schema {} is there, nothing is pending", release.needs_schema),
        Some(_) => format!(
            "nothing is due; contract {} runs by `crmctl migrate {} --contract`",
            list(&waiting),
            environment.name
        ),
    }
}

fn list(versions: &[i64]) -> String {
    versions.iter().map(|version| format!("{version:03}")).collect::<Vec<_>>().join(" ")
}

/// The private server runs.
pub(crate) fn ensure_database(step: &str) -> Step {
    let because = "an idle database server harms nobody and is there for the next run";
    Step::forward(step, "start the private PostgreSQL", Action::EnsureDatabase, because)
}

fn apply(release: &Release, versions: &[i64], database: &DatabaseState) -> Step {
    let narrows = versions.iter().any(|version| is_contract(release, *version));
    let (what, list) = (if narrows { "contract migrations" } else { "migrations" }, list(versions));
    let title = match database {
        DatabaseState::Ready { .. } if versions.is_empty() => "compare files and database".to_owned(),
        DatabaseState::Ready { .. } => format!("apply {what} {list}"),
        _ => format!("apply what is missing of {what} {list}"),
    };
    let action = Action::Migrate { release: release.id.clone(), versions: versions.to_vec() };
    let because = if narrows {
        "contract migrations: no release to go back to needs the old shape"
    } else {
        "expand migrations: the release before runs on the new schema too"
    };
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
