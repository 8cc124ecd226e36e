//! `crmctl unlock`: takes the lease away from a run that will never give it back. A dead holder of this host needs
//! none of it: the next run replaces it.

use phases::engine::ledger::{Lease, Ledger};
use phases::engine::run::Engine;

use super::Context;
use super::run::{Run, ledger_error};
use crate::cli::UnlockArgs;
use crate::error::{Error, Exit};
use crate::site::Needs;

/// Takes it away, and writes down who did and why.
///
/// # Errors
/// Nobody holds it, it is another run's, or its holder lives and nobody insists.
pub(super) async fn command(context: &Context, arguments: &UnlockArgs) -> Result<Exit, Error> {
    let name = &arguments.on.environment;
    let run = Run::new(context, name, "unlock");
    let reason = arguments.reason.as_deref().unwrap_or("its process is gone");
    let outcome = async {
        let site = context.site(name, Needs::WhatIsThere)?;
        let holder = site.ledger.holder().await.map_err(|error| ledger_error(&error))?;
        let holder = may_be_taken(name, arguments, holder)?;
        site.ledger.revoke(&holder).await.map_err(|error| ledger_error(&error))?;
        let word =
            async |engine: Engine<'_>, lease: &Lease| engine.unlocked(lease, name, &holder, reason).await;
        let report = run.word(&site, word).await?;
        Ok((site, report))
    };
    run.told(outcome.await).await
}

/// The lease as typed, when it may be taken away.
fn may_be_taken(name: &str, arguments: &UnlockArgs, holder: Option<Lease>) -> Result<Lease, Error> {
    let Some(holder) = holder else {
        let message = format!("nobody holds the lease of `{name}`");
        return Err(Error::refused(message).hint(format!("run `crmctl status {name}`")));
    };
    let held = format!(
        "`{}` holds the lease with run `{}`, token {}, since {}",
        holder.holder, holder.run, holder.token, holder.since
    );
    if (holder.run.as_str(), holder.token) != (arguments.run.as_str(), arguments.token) {
        return Err(Error::refused(held).hint("give its run and token; look at that run first"));
    }
    if !holder.expired && !arguments.force {
        let hint = "stop it where it runs; if that cannot be done, add `--force --reason TEXT`";
        let lives = match &holder.expires_at {
            None => "its process lives".to_owned(),
            Some(end) => format!("it lasts until {end} at least"),
        };
        return Err(Error::new(Exit::LeaseHeld, format!("{held}, and {lives}")).hint(hint));
    }
    Ok(holder)
}
