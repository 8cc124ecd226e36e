//! `Seed`: first accounts and data, put in by the release's own server program. Forward only, and twice is once.

use std::process::Stdio;
use std::time::Duration;

use phases::engine::effects::{EffectContext, EffectOutcome, Evidence, Probe};
use phases::engine::failure::{Failure, FailureClass};
use phases::release::ReleaseId;
use secrecy::ExposeSecret;
use serde_json::Value;
use tokio::process::Command;

use crate::child::{Finish, OwnGroup};
use crate::interrupt;
use crate::site::Site;
use crate::site::database;

/// A seed takes some seconds; longer is a lock that somebody holds.
const DEADLINE: Duration = Duration::from_secs(120);

/// Is the first tenant there?
pub(super) async fn probe(site: &Site) -> Probe {
    match database::is_seeded(site).await {
        Ok(true) => Probe::Done(Evidence { summary: "accounts are there".to_owned(), ..Evidence::default() }),
        Ok(false) => Probe::NotDone,
        Err(message) => Probe::Unknown(failure(message)),
    }
}

/// Runs `crm-server seed`.
pub(super) async fn apply(site: &Site, release: &ReleaseId, _context: &EffectContext<'_>) -> EffectOutcome {
    let dsn = match database::migrator_dsn(site) {
        Ok(dsn) => dsn,
        Err(message) => return EffectOutcome::NotDone(failure(message)),
    };
    let account = match site.smoke_account() {
        Ok(account) => account,
        Err(message) => return EffectOutcome::NotDone(failure(message)),
    };
    let mut command = Command::new(site.state.release(release).join("crm-server"));
    command
        .args(["seed", "--password-env", "SEED_PASSWORD"])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("CRM_ENVIRONMENT", &site.environment.facts.name)
        .env("POSTGRES_MIGRATOR_DSN", dsn.expose_secret())
        .env("SEED_PASSWORD", account.password.expose_secret())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    match OwnGroup::start(&mut command) {
        Ok(seed) => outcome(seed.finish(DEADLINE, interrupt::asked()).await),
        Err(error) => EffectOutcome::NotDone(failure(format!("`crm-server seed` cannot be run: {error}"))),
    }
}

/// It is one transaction: where it was cut off, only the database can tell whether that was committed.
fn outcome(finished: std::io::Result<Finish>) -> EffectOutcome {
    match finished {
        Ok(Finish::Ended(output)) if output.status.success() => {
            let facts: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            EffectOutcome::Done(Evidence { summary: summary(&facts), facts, checks: Vec::new() })
        }
        Ok(Finish::Ended(output)) => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let lines: Vec<String> = said.lines().rev().take(10).map(str::to_owned).collect();
            EffectOutcome::NotDone(failure(output.status.to_string()).detail(lines.into_iter().rev()))
        }
        Ok(Finish::TooLate) => {
            let message = format!("not done after {} s, so it was ended", DEADLINE.as_secs());
            EffectOutcome::Unknown(
                failure(message).hint("end whoever holds a lock in the database, then try again"),
            )
        }
        Ok(Finish::Stopped) => EffectOutcome::Unknown(failure("interrupted".to_owned())),
        Err(error) => EffectOutcome::Unknown(failure(error.to_string())),
    }
}

/// What the seed says it did, for people.
fn summary(facts: &Value) -> String {
    let tenants = facts["tenants"].as_array().map_or(0, Vec::len);
    match facts["accounts_created"].as_u64() {
        Some(accounts) => format!("{accounts} accounts in {tenants} tenants"),
        None => "accounts and first data".to_owned(),
    }
}

fn failure(message: String) -> Failure {
    Failure::new(FailureClass::Failed, format!("the seed could not be put in: {message}"))
}
