//! `crmctl doctor`: what is wrong with an environment and what to do about it. Read only; every line that is not
//! well names the next command.

use std::time::Duration;

use phases::drift::drift;
use phases::engine::effects::Probe;
use phases::engine::failure::{CheckEvidence, CheckOutcome};
use phases::engine::history;
use phases::engine::ledger::Ledger;
use phases::observed::{Blockage, Observed};
use phases::rollback;

use super::Context;
use crate::error::{Error, Exit, ledger_error};
use crate::ledger::EnvironmentLedger;
use crate::observe;
use crate::platform::AnyPlatform;
use crate::report::document::{Diagnosis, DiagnosisLine};
use crate::report::table;
use crate::requirements;
use crate::site::{Needs, Site};
use crate::supervisor::http::get_public;

mod chat;

/// Patience with the public address.
const PATIENCE: Duration = Duration::from_secs(2);

/// Prints the diagnosis; exit 30 when something is wrong.
///
/// # Errors
/// Unknown environment, or mistakes in its file.
pub(super) async fn command(context: &Context, name: &str) -> Result<Exit, Error> {
    let site = context.site(name, Needs::Source)?;
    let lines = examine(&site).await;
    let ill = lines.iter().any(|line| line.outcome != CheckOutcome::Passed);
    if context.terminal.json {
        let lines = lines.iter().map(DiagnosisLine::from).collect();
        context.document(&Diagnosis { schema: 1, environment: name.to_owned(), well: !ill, lines });
    } else {
        for line in table::checks(&lines, context.terminal.width(), context.terminal.paint) {
            context.terminal.line(&line);
        }
        let next = lines.iter().find(|line| line.outcome != CheckOutcome::Passed);
        if let Some(hint) = next.and_then(|line| line.hint.as_deref()) {
            context.terminal.line(&format!("next: {hint}"));
        }
    }
    Ok(if ill { Exit::CheckFailed } else { Exit::Done })
}

async fn examine(site: &Site) -> Vec<CheckEvidence> {
    let mut lines = memory(site).await;
    lines.extend(requirements::tools::ask(site).await);
    if let Ok(source) = site.source() {
        lines.extend(requirements::disk::ask(site, source));
        lines.extend(requirements::secrets::ask(site, source));
    }
    match &site.platform {
        AnyPlatform::Process(_) => lines.extend(requirements::ports::ask(site)),
        AnyPlatform::Swarm(platform) => {
            lines.extend(requirements::engine::ask(platform, &site.environment.facts.name).await);
            lines.extend(requirements::registry::ask(site, platform).await);
        }
    }
    lines.extend(requirements::database::ask(site).await);
    lines.extend(chat::ask(site));
    for line in &mut lines {
        line.check = line.check.replacen("preflight/", "doctor/", 1);
    }
    lines
}

/// Journal, runs, lease, what serves. Without a journal nothing else of it can be told.
async fn memory(site: &Site) -> Vec<CheckEvidence> {
    let mut lines: Vec<CheckEvidence> = ledger(site).await.into_iter().collect();
    lines.extend(remembered(site).await);
    lines
}

/// A ledger that operators share has to be reached; files are simply there.
async fn ledger(site: &Site) -> Option<CheckEvidence> {
    let EnvironmentLedger::Shared(ledger) = &site.ledger else { return None };
    Some(match ledger.reach().await {
        Ok(place) => well("ledger", format!("{place} answers")),
        Err(error) => ill("ledger", "a ledger that answers", &ledger_error(&error)),
    })
}

async fn remembered(site: &Site) -> Vec<CheckEvidence> {
    let name = &site.environment.facts.name;
    let (records, observed) = match observe::remembered(site).await {
        Ok(remembered) => remembered,
        Err(error) => return vec![ill("journal", "a whole journal and a platform that answers", &error)],
    };
    let runs = history::runs(&records).len();
    let mut lines = vec![well("journal", format!("{} records of {runs} runs, one chain", records.len()))];
    lines.push(last_run(name, &observed));
    lines.push(lease(site).await);
    lines.push(serving(site, &observed).await);
    lines.extend(drift(&observed).into_iter().map(|sentence| {
        line(
            "drift",
            CheckOutcome::Failed,
            Some("journal and platform agree"),
            sentence,
            Some(mend(name, &observed)),
        )
    }));
    lines.push(way_back(site, &observed));
    lines
}

fn last_run(name: &str, observed: &Observed) -> CheckEvidence {
    let expected = Some("every run has an end");
    match &observed.blockage {
        None => well("runs", "none unfinished, none stuck".to_owned()),
        Some(Blockage::Unfinished { run, verb }) => {
            let hint = format!("crmctl resume {name}   (or crmctl rollback {name})");
            line(
                "runs",
                CheckOutcome::Failed,
                expected,
                format!("run `{run}` ({verb}) is unfinished"),
                Some(hint),
            )
        }
        Some(Blockage::Stuck { run, verb }) => {
            let hint = format!("crmctl rollback {name}   (or crmctl resolve {name} --reason …)");
            line(
                "runs",
                CheckOutcome::Failed,
                expected,
                format!("run `{run}` ({verb}) ended stuck"),
                Some(hint),
            )
        }
    }
}

async fn lease(site: &Site) -> CheckEvidence {
    let name = &site.environment.facts.name;
    match site.ledger.holder().await {
        Err(error) => ill("lease", "a lease that can be read", &ledger_error(&error)),
        Ok(None) => well("lease", "free".to_owned()),
        Ok(Some(lease)) if lease.expired => {
            let said = format!("left by run `{}`, whose process is gone; the next run takes it", lease.run);
            line("lease", CheckOutcome::Passed, None, said, Some(format!("crmctl status {name}")))
        }
        Ok(Some(lease)) => {
            let said = format!("{} works: run `{}` since {}", lease.holder, lease.run, lease.since);
            line("lease", CheckOutcome::Passed, None, said, Some("wait for it".to_owned()))
        }
    }
}

/// What should serve answers on the public address with its own id.
async fn serving(site: &Site, observed: &Observed) -> CheckEvidence {
    let name = &site.environment.facts.name;
    let deploy = Some(format!("crmctl deploy {name}"));
    let Some(serving) = &observed.platform.serving else {
        return line(
            "serving",
            CheckOutcome::Failed,
            Some("a release that serves"),
            "none".to_owned(),
            deploy,
        );
    };
    let expected = format!("`{serving}` answers");
    if let AnyPlatform::Swarm(platform) = &site.platform {
        return match platform.probe_serving(serving).await {
            Probe::Done(_) => {
                well("serving", format!("{serving} answers on {}", site.environment.facts.public_url))
            }
            Probe::NotDone => {
                let said = "the engine has not finished rolling it out".to_owned();
                line("serving", CheckOutcome::Failed, Some(&expected), said, deploy)
            }
            Probe::Unknown(failure) => line(
                "serving",
                CheckOutcome::Failed,
                Some(&expected),
                failure.message,
                failure.hint.or(deploy),
            ),
        };
    }
    let address = match site.environment.listen_address() {
        Ok(address) => address,
        Err(message) => return ill("serving", &expected, &Error::refused(message)),
    };
    match get_public(address, "/health/live", PATIENCE).await {
        Ok(answer) if answer.release.as_deref() == Some(serving.as_str()) => {
            well("serving", format!("{serving} answers on {address}"))
        }
        Ok(answer) => {
            let who = answer.release.unwrap_or_else(|| "a stranger".to_owned());
            line(
                "serving",
                CheckOutcome::Failed,
                Some(&expected),
                format!("{who} does, on {address}"),
                deploy,
            )
        }
        Err(error) => {
            line("serving", CheckOutcome::Failed, Some(&expected), format!("{address}: {error}"), deploy)
        }
    }
}

fn way_back(site: &Site, observed: &Observed) -> CheckEvidence {
    match rollback::target(&site.environment.facts, None, observed) {
        Ok(id) => well("way-back", format!("a rollback would go to {id}")),
        Err(error) => line("way-back", CheckOutcome::Passed, None, error.to_string(), error.hint()),
    }
}

/// What puts an environment right whose world is not as its journal says.
fn mend(name: &str, observed: &Observed) -> String {
    let verb = if observed.alive().is_none() { "deploy" } else { "smoke" };
    format!("crmctl {verb} {name}")
}

fn well(name: &str, actual: String) -> CheckEvidence {
    line(name, CheckOutcome::Passed, None, actual, None)
}

fn ill(name: &str, expected: &str, error: &Error) -> CheckEvidence {
    line(name, CheckOutcome::Failed, Some(expected), error.message.clone(), error.hint.clone())
}

fn line(
    name: &str,
    outcome: CheckOutcome,
    expected: Option<&str>,
    actual: String,
    hint: Option<String>,
) -> CheckEvidence {
    CheckEvidence {
        check: format!("doctor/{name}"),
        outcome,
        expected: expected.map(str::to_owned),
        actual: Some(actual),
        owner: Some("ops".to_owned()),
        hint,
        duration_ms: 0.0,
    }
}
