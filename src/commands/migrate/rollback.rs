//! `crmctl migrate rollback ENV N`: reverts exactly one migration, under the lease and written down as a run
//! without phases (ADR 13). What cannot be read refuses it.

use ::migrate::{Event, Patience, Reverted, RollbackOptions};
use phases::engine::event::Ending;
use phases::engine::journal::{Draft, Kind};
use phases::engine::ledger::{Lease, Ledger};
use phases::observed::Blockage;
use phases::plan::{Plan, Recovery};
use phases::request::PlanError;
use serde_json::{Value, json};

use super::super::{Context, run};
use super::failed;
use super::subject::Subject;
use crate::cli::MigrateRollbackArgs;
use crate::error::{Error, Exit};
use crate::site::lease::Otherwise;
use crate::site::{Needs, Site};
use crate::{actor, effects, observe, rollback_set, run_id};

/// The verb in the lease, the journal and `history`.
const VERB: &str = "migrate rollback";

/// Reverts it.
///
/// # Errors
/// Somebody holds the lease, a run stands in the way, something cannot be read, a consent is missing, or it failed.
pub(super) async fn command(context: &Context, arguments: &MigrateRollbackArgs) -> Result<Exit, Error> {
    let site = context.site(&arguments.environment, Needs::WhatIsThere)?;
    let subject = Subject::of_site(&site, &context.place.root)?;
    let lease = site.take_lease(&run_id::fresh(), VERB, Otherwise::Refuse).await?;
    let outcome = under_lease(&site, &subject, &lease, arguments).await;
    if let Err(error) = site.ledger.release(&lease).await {
        context.terminal.talk(&format!("the lease could not be given back: {error}"));
    }
    let reverted = outcome?;
    if context.terminal.json {
        let mut document = serde_json::to_value(&reverted).expect("plain data always has JSON");
        document["schema"] = 1.into();
        document["environment"] = arguments.environment.clone().into();
        context.document(&document);
        return Ok(Exit::Done);
    }
    context.terminal.data(&format!("{:03} {} reverted", reverted.version, reverted.name));
    context.terminal.data(&format!("next: run `crmctl migrate {}` to bring it back", arguments.environment));
    Ok(Exit::Done)
}

async fn under_lease(
    site: &Site,
    subject: &Subject,
    lease: &Lease,
    arguments: &MigrateRollbackArgs,
) -> Result<Reverted, Error> {
    super::super::fence::raise(site, lease).await?;
    let (_, observed) = observe::remembered(site).await?;
    nothing_in_the_way(observed.blockage.clone(), &arguments.environment)?;
    let (set, database) = (subject.set()?, subject.database(&lease.run)?);
    let releases = rollback_set::of(site, &observed).await?;
    let needing = releases.iter().filter(|release| release.may_need(arguments.number));
    let options = RollbackOptions {
        author: effects::migrate::author(&lease.run),
        token: i64::try_from(lease.token).ok(),
        serving_needs: needing.map(ToString::to_string).collect(),
        while_serving: arguments.while_serving,
        accept_loss: arguments.accept_loss,
        patience: Patience::default(),
    };
    write(site, lease, begun(arguments)).await?;
    let tell = |event: Event| tracing::info!(event = %effects::migrate::words(&event));
    let reverted = ::migrate::rollback(&database, &set, arguments.number, &options, &tell).await;
    let reverted = reverted.map_err(|error| failed(&error));
    let written = write(site, lease, ended(&reverted)).await;
    match (reverted, written) {
        (Ok(reverted), Err(error)) => {
            let message =
                format!("{:03} is reverted; its end is not in the journal: {error}", reverted.version);
            let hint = format!(
                "make the journal writable; `crmctl migrate status {}` tells what is so",
                arguments.environment
            );
            Err(Error::new(Exit::Interrupted, message).hint(hint))
        }
        (reverted, _) => reverted,
    }
}

/// Nothing is reverted under a run that may have left something half done.
fn nothing_in_the_way(blockage: Option<Blockage>, environment: &str) -> Result<(), Error> {
    let environment = environment.to_owned();
    let error = match blockage {
        None => return Ok(()),
        Some(Blockage::Unfinished { run, verb }) => PlanError::Unfinished { run, verb, environment },
        Some(Blockage::Stuck { run, verb }) => PlanError::Stuck { run, verb, environment },
    };
    let refused = Error::refused(error.to_string());
    Err(match error.hint() {
        Some(hint) => refused.hint(hint),
        None => refused,
    })
}

/// Kind of a record, with what was seen, wanted and shown.
type Entry = (Kind, [Value; 3]);

/// A plan of no phases: the database itself, and not a step, keeps what a killed revert has done.
fn begun(arguments: &MigrateRollbackArgs) -> Entry {
    let plan = Plan {
        environment: arguments.environment.clone(),
        verb: VERB.to_owned(),
        release: None,
        target: None,
        previous: None,
        fingerprint: String::new(),
        phases: Vec::new(),
        proves: false,
        recovery: Recovery::default(),
    };
    let asked = json!({
        "version": arguments.number,
        "while_serving": arguments.while_serving,
        "accept_loss": arguments.accept_loss,
    });
    (Kind::Plan, [asked, serde_json::to_value(plan).expect("plain data always has JSON"), Value::Null])
}

fn ended(reverted: &Result<Reverted, Error>) -> Entry {
    let evidence = match reverted {
        Ok(reverted) => {
            json!({"ending": Ending::Done, "exit_code": 0, "failure": null, "reverted": reverted})
        }
        Err(error) => {
            let ending = match error.exit {
                Exit::Refused => Ending::Refused,
                Exit::LeaseLost => Ending::Interrupted,
                _ => Ending::Failed,
            };
            json!({"ending": ending, "exit_code": error.exit.code(), "failure": null, "message": error.message})
        }
    };
    (Kind::End, [Value::Null, Value::Null, evidence])
}

async fn write(site: &Site, lease: &Lease, (kind, values): Entry) -> Result<(), Error> {
    let [observed, desired, evidence] = values;
    let draft = Draft {
        run: lease.run.clone(),
        step: None,
        attempt: 1,
        kind,
        observed,
        desired,
        evidence,
        actor: actor::current(),
        at: chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
    };
    let written = site.ledger.append(lease, draft).await;
    written.map(|_| ()).map_err(|error| run::ledger_error(&error))
}
