//! `Migrate`: the release's own migration files on the environment's database, under the run's token.

use ::migrate::{ApplyOptions, Author, Database, Event, Kind, MigrationSet, Scope};
use phases::engine::effects::{EffectContext, EffectOutcome, Evidence, Probe, Progress};
use phases::engine::failure::{Failure, FailureClass};
use phases::release::ReleaseId;

use crate::actor;
use crate::site::{Site, database};

/// Is everything that the release needs applied?
pub(super) async fn probe(site: &Site, release: &ReleaseId) -> Probe {
    match pending(site, release).await {
        Ok(0) => Probe::Done(Evidence { summary: "nothing pending".to_owned(), ..Evidence::default() }),
        Ok(_) => Probe::NotDone,
        Err(message) => Probe::Unknown(Failure::new(FailureClass::Failed, message)),
    }
}

async fn pending(site: &Site, release: &ReleaseId) -> Result<usize, String> {
    let set = set(site, release)?;
    let dsn = database::migrator_dsn(site)?;
    let database = Database::new(&dsn, "probe").map_err(|error| error.to_string())?;
    let status = ::migrate::status(&database, &set).await.map_err(|error| error.to_string())?;
    Ok(status.migrations.iter().filter(|migration| migration.state != ::migrate::State::Applied).count())
}

fn set(site: &Site, release: &ReleaseId) -> Result<MigrationSet, String> {
    let directory = site.state.release(release).join("migrations");
    MigrationSet::load(&directory).map_err(|error| error.to_string())
}

/// Applies them.
pub(super) async fn apply(site: &Site, release: &ReleaseId, context: &EffectContext<'_>) -> EffectOutcome {
    let prepared = set(site, release).and_then(|set| {
        let dsn = database::migrator_dsn(site)?;
        let database = Database::new(&dsn, context.run).map_err(|error| error.to_string())?;
        Ok((set, database))
    });
    let (set, database) = match prepared {
        Ok(prepared) => prepared,
        Err(message) => return EffectOutcome::NotDone(Failure::new(FailureClass::Failed, message)),
    };
    let token = i64::try_from(context.token).unwrap_or(i64::MAX);
    let options = ApplyOptions {
        author: author(context.run),
        token: Some(token),
        scope: Scope::BeforeContract,
        patience: ::migrate::Patience::default(),
    };
    let tell = |event: Event| (context.progress)(Progress::Message(words(&event)));
    match ::migrate::apply(&database, &set, &options, &tell).await {
        Ok(applied) => EffectOutcome::Done(evidence(&applied)),
        Err(error) => EffectOutcome::NotDone(failure(&error)),
    }
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
    let failure = Failure::new(class, error.to_string());
    match error.hint() {
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
