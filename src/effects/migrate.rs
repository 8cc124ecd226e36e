//! `Migrate`: the release's own migration files on the environment's database, under the run's token.

use ::migrate::{
    ApplyOptions, Author, Database, Drift, Event, Kind, MigrationSet, PlannedMigration, Scope, Stage, State,
};
use phases::engine::effects::{EffectContext, EffectOutcome, Evidence, Probe, Progress};
use phases::engine::failure::{Failure, FailureClass};
use phases::release::ReleaseId;

use crate::error::chain;
use crate::site::{Site, database};
use crate::{actor, rollback_set};

/// Are `versions` applied, and do files and database agree?
pub(super) async fn probe(site: &Site, release: &ReleaseId, versions: &[i64]) -> Probe {
    match is_so(site, release, versions).await {
        Ok(true) => Probe::Done(Evidence { summary: "nothing pending".to_owned(), ..Evidence::default() }),
        Ok(false) => Probe::NotDone,
        Err(failure) => Probe::Unknown(failure),
    }
}

async fn is_so(site: &Site, release: &ReleaseId, versions: &[i64]) -> Result<bool, Failure> {
    let (set, database) = prepare(site, release, "probe")?;
    let status = ::migrate::status(&database, &set).await.map_err(|error| failure(&error))?;
    let applied = |version: &i64| {
        status.migrations.iter().any(|one| one.version == *version && one.state == State::Applied)
    };
    Ok(versions.iter().all(applied) && !status.drift.iter().any(Drift::blocks))
}

fn prepare(site: &Site, release: &ReleaseId, run: &str) -> Result<(MigrationSet, Database), Failure> {
    let directory = site.state.release(release).join("migrations");
    let set = MigrationSet::load(&directory).map_err(|error| {
        let message = format!("`{}`: {}", directory.display(), chain(&error));
        with_hint(Failure::new(FailureClass::Failed, message), error.hint())
    })?;
    let dsn = database::migrator_dsn(site).map_err(|message| Failure::new(FailureClass::Failed, message))?;
    let database = Database::new(&dsn, run).map_err(|error| failure(&error))?;
    Ok((set, database))
}

/// Applies those of `versions` that are missing, and nothing else.
pub(super) async fn apply(
    site: &Site,
    release: &ReleaseId,
    versions: &[i64],
    context: &EffectContext<'_>,
) -> EffectOutcome {
    match bring_up(site, release, versions, context).await {
        Ok(applied) => EffectOutcome::Done(evidence(&applied)),
        Err(Undone { failure, may_have_happened: false }) => EffectOutcome::NotDone(failure),
        Err(Undone { failure, may_have_happened: true }) => EffectOutcome::Unknown(failure),
    }
}

/// Why nothing was applied, as far as anybody can tell.
struct Undone {
    failure: Failure,
    /// The server vanished while it was asked to make something durable: only a look tells.
    may_have_happened: bool,
}

impl From<Failure> for Undone {
    fn from(failure: Failure) -> Self {
        Self { failure, may_have_happened: false }
    }
}

impl From<::migrate::Error> for Undone {
    fn from(error: ::migrate::Error) -> Self {
        Self { may_have_happened: error.may_have_happened(), failure: failure(&error) }
    }
}

async fn bring_up(
    site: &Site,
    release: &ReleaseId,
    versions: &[i64],
    context: &EffectContext<'_>,
) -> Result<::migrate::Applied, Undone> {
    let (set, database) = prepare(site, release, context.run)?;
    let plan = ::migrate::plan(&database, &set, Scope::All).await?;
    let todo = within(&plan.migrations, versions)?;
    let narrowing: Vec<i64> =
        todo.iter().filter(|one| one.stage == Stage::Contract).map(|one| one.version).collect();
    nobody_breaks(site, &set, &narrowing).await?;
    let options = ApplyOptions {
        author: author(context.run),
        token: Some(super::fence::signed(context.token)),
        // Nothing to do still compares files and database under the lock.
        scope: todo.last().map_or(Scope::BeforeContract, |last| Scope::UpTo(last.version)),
        patience: ::migrate::Patience::default(),
    };
    let tell = |event: Event| (context.progress)(Progress::Message(words(&event)));
    Ok(::migrate::apply(&database, &set, &options, &tell).await?)
}

/// What is pending of `versions`. Files are applied in order, so nothing else may stand before the last of them.
fn within<'p>(pending: &'p [PlannedMigration], versions: &[i64]) -> Result<&'p [PlannedMigration], Failure> {
    let wanted = |one: &PlannedMigration| versions.contains(&one.version);
    let end = pending.iter().rposition(wanted).map_or(0, |last| last + 1);
    let todo = &pending[..end];
    match todo.iter().find(|one| !wanted(one)) {
        None => Ok(todo),
        Some(first) => {
            let message = format!("`{}` has to be applied first and is not part of this run", first.file);
            let hint = match first.stage {
                Stage::Contract => "contract migrations run by `crmctl migrate … --contract`",
                _ => "run it again: the database changed since the plan was made",
            };
            Err(Failure::new(FailureClass::Refused, message).hint(hint))
        }
    }
}

/// Invariant: no contract migration runs while a release that may serve again is older than what it breaks.
async fn nobody_breaks(site: &Site, set: &MigrationSet, narrowing: &[i64]) -> Result<(), Failure> {
    if narrowing.is_empty() {
        return Ok(());
    }
    let releases = rollback_set::read(site).await.map_err(|error| super::refusal(&error))?;
    for version in narrowing {
        // A file that does not say breaks everything that was made without it.
        let below = set.get(*version).and_then(|one| one.breaks_below).unwrap_or(*version);
        let broken: Vec<String> = releases
            .iter()
            .filter(|release| release.may_be_older_than(below))
            .map(ToString::to_string)
            .collect();
        if !broken.is_empty() {
            let message = format!(
                "contract migration {version:03} breaks releases older than schema {below:03} that may serve again: {}",
                broken.join(", ")
            );
            let name = &site.environment.facts.name;
            let hint = format!(
                "deploy newer releases until they are retired, or give one up: `crmctl release block {name} RELEASE --reason …`"
            );
            return Err(Failure::new(FailureClass::Refused, message).hint(hint));
        }
    }
    Ok(())
}

/// Who is written into the history.
pub fn author(run: &str) -> Author {
    let actor = actor::current();
    Author { run: run.to_owned(), actor: actor.user, host: actor.host }
}

/// An error of the runner in the terms of a run.
pub fn failure(error: &::migrate::Error) -> Failure {
    let class = match error.kind() {
        Kind::Refused => FailureClass::Refused,
        Kind::FenceLost => FailureClass::LeaseLost,
        Kind::Failed => FailureClass::Failed,
    };
    with_hint(Failure::new(class, chain(error)), error.hint())
}

fn with_hint(failure: Failure, hint: Option<String>) -> Failure {
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn evidence(applied: &::migrate::Applied) -> Evidence {
    let versions: Vec<String> = applied.migrations.iter().map(|one| format!("{:03}", one.version)).collect();
    let summary = format!("{} applied: {}", versions.len(), versions.join(", "));
    Evidence { summary, facts: serde_json::to_value(applied).unwrap_or_default(), checks: Vec::new() }
}

/// An event of the runner for people.
pub fn words(event: &Event) -> String {
    match event {
        Event::LockWaiting { holder: Some(holder), .. } => {
            format!("waiting: {holder} holds the migration lock")
        }
        Event::LockWaiting { holder: None, .. } => "waiting for the migration lock".to_owned(),
        Event::LockTaken { .. } => "migration lock taken".to_owned(),
        Event::Started { version, name, .. } => format!("{version:03} {name}"),
        Event::Blocked { blockers, waiting_behind, .. } => {
            let who: Vec<String> = blockers.iter().map(ToString::to_string).collect();
            format!("blocked by {} ({waiting_behind} wait behind us)", who.join(", "))
        }
        Event::Retrying { version, sqlstate, attempt, pause_ms } => {
            format!("{version:03} gave up attempt {attempt} ({sqlstate}), again in {pause_ms} ms")
        }
        Event::Resumed { version, statement } => format!("{version:03} goes on at statement {statement}"),
        Event::Mended { version, index } => format!("{version:03} dropped the invalid index `{index}`"),
        Event::Applied { version, elapsed_ms, .. } => format!("{version:03} applied in {elapsed_ms} ms"),
        Event::Reverted { version, elapsed_ms } => format!("{version:03} reverted in {elapsed_ms} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_its_cause_and_keeps_its_hint() {
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let error = ::migrate::Error::Connect { database: "crm".to_owned(), source: refused.into() };
        let told = failure(&error);
        assert_eq!(told.class, FailureClass::Refused);
        assert!(told.message.contains("cannot connect to database `crm`"), "{}", told.message);
        assert!(told.message.contains("connection refused"), "{}", told.message);
        let lost = failure(&::migrate::Error::FenceLost { token: 1, newest: 2 });
        assert!(lost.class == FailureClass::LeaseLost && lost.hint.is_some());
    }
}
