//! `crmctl down`: stops an embedded environment; with `--purge` removes it.

use phases::engine::ledger::{Claim, Ledger};

use super::{Context, run};
use crate::cli::DownArgs;
use crate::error::{Error, Exit};
use crate::site::Needs;
use crate::{actor, error, run_id};

/// Stops releases, supervisor and private PostgreSQL, under the lease.
///
/// # Errors
/// The environment is not embedded, somebody holds the lease, or something does not end.
pub(super) async fn command(context: &Context, arguments: &DownArgs) -> Result<Exit, Error> {
    let name = &arguments.on.environment;
    let site = context.site(name, Needs::WhatIsThere)?;
    if !site.environment.database.embedded {
        return Err(Error::refused(format!("`{name}` is not embedded: crmctl does not own its servers")));
    }
    if !site.state.path().exists() {
        context.terminal.line(&format!("{name} was never up"));
        return Ok(Exit::Done);
    }
    if arguments.purge && !confirmed(context, name)? {
        return Err(Error::refused("not confirmed").hint(format!("run `crmctl down {name} --purge --yes`")));
    }
    site.state.ensure().map_err(|error| Error::refused(error::chain(&error)))?;
    let claim = Claim { holder: actor::holder(), run: run_id::fresh(), verb: "down".to_owned() };
    let lease = site.ledger.acquire(&claim).await.map_err(|error| run::ledger_error(&error))?;
    let failed = |error: &dyn std::error::Error| Error::new(Exit::Unwound, error::chain(error));
    if arguments.purge {
        site.platform.purge(lease.token).await.map_err(|error| failed(&error))?;
        context.terminal.line(&format!("{name} is down and its state is removed"));
        return Ok(Exit::Done);
    }
    site.platform.down(lease.token).await.map_err(|error| failed(&error))?;
    site.ledger.release(&lease).await.map_err(|error| run::ledger_error(&error))?;
    context.terminal.line(&format!("{name} is down; its data stays"));
    context.terminal.line(&format!("next: crmctl deploy {name}"));
    Ok(Exit::Done)
}

/// Removing data asks first, where somebody can answer.
fn confirmed(context: &Context, name: &str) -> Result<bool, Error> {
    if context.global.yes {
        return Ok(true);
    }
    let question = format!("remove the database, releases and journal of `{name}` for good?");
    context.terminal.confirm(&question).map_err(|error| Error::refused(format!("no answer: {error}")))
}
