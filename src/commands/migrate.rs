//! `crmctl migrate [apply|status|plan|rollback]`: the schema alone. `apply` on an environment is a run like any
//! other; `rollback` takes the lease; `status` and `plan` only look.

use std::path::{Path, PathBuf};

use ::migrate::{ApplyOptions, Database, Event, Kind, MigrationSet, Patience, RollbackOptions, Scope};
use phases::engine::history;
use phases::engine::ledger::{Claim, Ledger};
use phases::plan::Phase;
use phases::release::ReleaseState;
use phases::request::{Request, Verb};
use secrecy::SecretString;

use super::{Context, run};
use crate::cli::{MigrateArgs, MigrateRollbackArgs, MigrateTarget, MigrateVerb};
use crate::effects;
use crate::error::{Error, Exit, chain};
use crate::release_directory;
use crate::report::document::{DriftView, MigrateStatus, MigrationView};
use crate::report::json::word;
use crate::site::database::{self, Reach};
use crate::site::{Needs, Site};
use crate::source::MIGRATIONS;
use crate::{actor, run_id};

/// Dispatches the verb.
///
/// # Errors
/// Whatever the verb says.
pub(super) async fn command(context: &Context, arguments: MigrateArgs) -> Result<Exit, Error> {
    match arguments.verb {
        None => apply(context, arguments.environment.as_deref(), arguments.plan).await,
        Some(MigrateVerb::Apply(MigrateTarget { environment: Some(name), .. })) => {
            apply(context, Some(&name), arguments.plan).await
        }
        Some(MigrateVerb::Apply(target)) => apply_anywhere(context, &target).await,
        Some(MigrateVerb::Status(target)) => status(context, &target).await,
        Some(MigrateVerb::Plan(target)) => plan(context, &target).await,
        Some(MigrateVerb::Rollback(arguments)) => rollback(context, &arguments).await,
    }
}

async fn apply(context: &Context, name: Option<&str>, only_plan: bool) -> Result<Exit, Error> {
    let name = name.ok_or_else(|| Error::usage("no environment given").hint("run `crmctl migrate local`"))?;
    let request = Request::new(Verb::Phase(Phase::Migrate));
    run::command(context, name, request, only_plan).await
}

/// Files and database that a verb deals with.
struct Subject {
    name: String,
    files: PathBuf,
    dsn: Option<SecretString>,
}

impl Subject {
    fn set(&self) -> Result<MigrationSet, Error> {
        MigrationSet::load(&self.files).map_err(|error| {
            let refused = Error::refused(chain(&error));
            match error.hint() {
                Some(hint) => refused.hint(hint),
                None => refused,
            }
        })
    }

    fn database(&self, run: &str) -> Result<Database, Error> {
        let dsn = self.dsn.as_ref().ok_or_else(|| {
            Error::refused(format!("the database of `{}` does not exist yet", self.name))
                .hint(format!("run `crmctl deploy {}`", self.name))
        })?;
        Database::new(dsn, run).map_err(|error| failed(&error))
    }
}

fn subject(context: &Context, target: &MigrateTarget) -> Result<Subject, Error> {
    if let (Some(directory), Some(variable)) = (&target.dir, &target.dsn_env) {
        let dsn = std::env::var(variable)
            .map_err(|_| Error::refused(format!("variable `{variable}` with the DSN is not set")))?;
        let name = directory.display().to_string();
        return Ok(Subject { name, files: directory.clone(), dsn: Some(dsn.into()) });
    }
    let name = target.environment.as_deref().unwrap_or_default();
    let site = context.site(name, Needs::WhatIsThere)?;
    of_site(&site, &context.place.root)
}

fn of_site(site: &Site, root: &Path) -> Result<Subject, Error> {
    let name = site.environment.facts.name.clone();
    let dsn = match database::reach(site) {
        Reach::Dsn(dsn) => Some(dsn),
        Reach::Absent => None,
        Reach::Down(reason) => {
            let hint = format!("run `crmctl deploy {name}`, which starts it");
            return Err(
                Error::refused(format!("the database of `{name}` cannot be asked: {reason}")).hint(hint)
            );
        }
    };
    Ok(Subject { name, files: root.join(MIGRATIONS), dsn })
}

async fn status(context: &Context, target: &MigrateTarget) -> Result<Exit, Error> {
    let subject = subject(context, target)?;
    let set = subject.set()?;
    let document = match subject.dsn {
        Some(_) => {
            let status = ::migrate::status(&subject.database("status")?, &set)
                .await
                .map_err(|error| failed(&error))?;
            MigrateStatus {
                schema: 1,
                environment: subject.name,
                latest: status.latest,
                migrations: status.migrations.iter().map(migration_view).collect(),
                drift: status.drift.iter().map(drift_view).collect(),
            }
        }
        None => nothing_applied(subject.name, &set),
    };
    if context.terminal.json {
        context.document(&document);
    } else {
        for line in lines(&document) {
            context.terminal.data(&line);
        }
    }
    Ok(Exit::Done)
}

/// Status where there is no database yet.
fn nothing_applied(environment: String, set: &MigrationSet) -> MigrateStatus {
    let pending = |migration: &::migrate::Migration| MigrationView {
        version: migration.version,
        name: migration.name.clone(),
        state: "pending".to_owned(),
        applied_at: None,
        checksum: migration.checksum_hex(),
    };
    let migrations = set.iter().map(pending).collect();
    MigrateStatus { schema: 1, environment, latest: None, migrations, drift: Vec::new() }
}

fn migration_view(one: &::migrate::MigrationStatus) -> MigrationView {
    MigrationView {
        version: one.version,
        name: one.name.clone(),
        state: word(&one.state),
        applied_at: one.applied_at.map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)),
        checksum: one.checksum.clone(),
    }
}

fn drift_view(drift: &::migrate::Drift) -> DriftView {
    let (version, kind) = (drift.version, word(&drift.kind));
    DriftView { version, kind, message: drift.message.clone(), hint: drift.hint.clone() }
}

fn lines(status: &MigrateStatus) -> Vec<String> {
    let line = |one: &MigrationView| {
        let at = one.applied_at.as_deref().unwrap_or("");
        format!("{:03}  {:<9} {:<22} {at}", one.version, one.state, one.name).trim_end().to_owned()
    };
    let mut lines: Vec<String> = status.migrations.iter().map(line).collect();
    for drift in &status.drift {
        lines.push(format!("drift: {}", drift.message));
        lines.push(format!("hint: {}", drift.hint));
    }
    lines
}

async fn plan(context: &Context, target: &MigrateTarget) -> Result<Exit, Error> {
    let subject = subject(context, target)?;
    let set = subject.set()?;
    let plan = ::migrate::plan(&subject.database("plan")?, &set, Scope::BeforeContract).await;
    let plan = plan.map_err(|error| failed(&error))?;
    if context.terminal.json {
        context.document(&serde_json::json!({
            "schema": 1,
            "environment": subject.name,
            "hash": plan.hash,
            "latest": plan.latest,
            "migrations": plan.migrations,
            "drift": plan.drift,
        }));
        return Ok(Exit::Done);
    }
    for migration in &plan.migrations {
        context.terminal.data(&format!("{:03} {}", migration.version, migration.name));
        for statement in &migration.statements {
            let first = statement.sql.lines().find(|line| !line.trim_start().starts_with("--")).unwrap_or("");
            context.terminal.data(&format!("  {}:{}  {}", migration.file, statement.line, first.trim()));
        }
    }
    for drift in &plan.drift {
        context.terminal.data(&format!("drift: {}", drift.message));
    }
    if plan.migrations.is_empty() {
        context.terminal.data("nothing pending");
    }
    Ok(Exit::Done)
}

async fn apply_anywhere(context: &Context, target: &MigrateTarget) -> Result<Exit, Error> {
    let subject = subject(context, target)?;
    let (set, run) = (subject.set()?, run_id::fresh());
    let options = ApplyOptions {
        author: effects::migrate::author(&run),
        token: None,
        scope: Scope::All,
        patience: Patience::default(),
    };
    let tell = |event: Event| context.terminal.line(&effects::migrate::words(&event));
    let applied = ::migrate::apply(&subject.database(&run)?, &set, &options, &tell).await;
    let applied = applied.map_err(|error| failed(&error))?;
    if context.terminal.json {
        context.document(
            &serde_json::json!({ "schema": 1, "applied": applied.migrations, "latest": applied.latest }),
        );
    } else {
        context.terminal.data(&format!("{} applied", applied.migrations.len()));
    }
    Ok(Exit::Done)
}

async fn rollback(context: &Context, arguments: &MigrateRollbackArgs) -> Result<Exit, Error> {
    let site = context.site(&arguments.environment, Needs::WhatIsThere)?;
    let subject = of_site(&site, &context.place.root)?;
    let (set, run) = (subject.set()?, run_id::fresh());
    let claim = Claim { holder: actor::holder(), run: run.clone(), verb: "migrate rollback".to_owned() };
    let lease = site.ledger.acquire(&claim).await.map_err(|error| run::ledger_error(&error))?;
    let options = RollbackOptions {
        author: effects::migrate::author(&run),
        token: i64::try_from(lease.token).ok(),
        serving_needs: needing(&site, arguments.number).await,
        while_serving: arguments.while_serving,
        accept_loss: arguments.accept_loss,
        patience: Patience::default(),
    };
    let tell = |event: Event| tracing::info!(event = %effects::migrate::words(&event));
    let outcome =
        ::migrate::rollback(&subject.database(&run)?, &set, arguments.number, &options, &tell).await;
    let _ = site.ledger.release(&lease).await;
    let reverted = outcome.map_err(|error| failed(&error))?;
    if context.terminal.json {
        let mut document = serde_json::to_value(&reverted).unwrap_or_default();
        document["schema"] = 1.into();
        document["environment"] = arguments.environment.clone().into();
        context.document(&document);
        return Ok(Exit::Done);
    }
    context.terminal.data(&format!("{:03} {} reverted", reverted.version, reverted.name));
    context.terminal.data(&format!("next: run `crmctl migrate {}` to bring it back", arguments.environment));
    Ok(Exit::Done)
}

/// Serving and kept releases whose schema includes `version`.
async fn needing(site: &Site, version: i64) -> Vec<String> {
    use phases::engine::platform::Platform;
    let Ok(state) = site.platform.state().await else { return Vec::new() };
    let records = site.ledger.records().await.unwrap_or_default();
    let blocked: Vec<_> = history::known_releases(&records)
        .into_iter()
        .filter(|release| release.state == ReleaseState::Blocked)
        .map(|release| release.id)
        .collect();
    let needs = |id: &&phases::release::ReleaseId| {
        release_directory::read(&site.state.releases(), id)
            .is_some_and(|file| file.migrations.iter().any(|entry| entry.version == version))
    };
    let kept = state.present.iter().filter(|id| !blocked.contains(id) || state.serving.as_ref() == Some(id));
    kept.filter(needs).map(ToString::to_string).collect()
}

fn failed(error: &::migrate::Error) -> Error {
    let exit = match error.kind() {
        Kind::Refused => Exit::Refused,
        Kind::FenceLost => Exit::LeaseLost,
        Kind::Failed => Exit::Unwound,
    };
    let failed = Error::new(exit, chain(error));
    match error.hint() {
        Some(hint) => failed.hint(hint),
        None => failed,
    }
}
