//! `Seed`: first accounts and data, put in by the release's own server program. Forward only, and twice is once.

use std::process::Stdio;

use phases::engine::effects::{EffectContext, EffectOutcome, Evidence, Probe};
use phases::engine::failure::{Failure, FailureClass};
use phases::release::ReleaseId;
use secrecy::ExposeSecret;

use crate::site::Site;
use crate::site::database;

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
    let output = tokio::process::Command::new(site.state.release(release).join("crm-server"))
        .args(["seed", "--password-env", "SEED_PASSWORD"])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("CRM_ENVIRONMENT", &site.environment.facts.name)
        .env("POSTGRES_MIGRATOR_DSN", dsn.expose_secret())
        .env("SEED_PASSWORD", account.password.expose_secret())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await;
    match output {
        Ok(output) if output.status.success() => {
            let said = String::from_utf8_lossy(&output.stdout);
            let summary = said.lines().last().unwrap_or("seeded").trim().to_owned();
            EffectOutcome::Done(Evidence { summary, ..Evidence::default() })
        }
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let lines: Vec<String> = said.lines().rev().take(10).map(str::to_owned).collect();
            EffectOutcome::NotDone(failure(output.status.to_string()).detail(lines.into_iter().rev()))
        }
        Err(error) => EffectOutcome::NotDone(failure(error.to_string())),
    }
}

fn failure(message: String) -> Failure {
    Failure::new(FailureClass::Failed, format!("the seed could not be put in: {message}"))
}
