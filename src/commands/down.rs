//! `crmctl down`: stops what crmctl runs of an environment; with `--purge` removes an embedded one.

use std::time::Instant;

use phases::engine::effects::EffectOutcome;
use phases::engine::event::Ending;
use phases::engine::failure::FailureClass;
use phases::engine::ledger::Ledger;

use super::{Context, aftermath};
use crate::cli::DownArgs;
use crate::error::{Error, Exit, chain};
use crate::platform::AnyPlatform;
use crate::platform::process::DownError;
use crate::report::assemble;
use crate::report::json::{self, EventBody, RunFinished};
use crate::report::live::Live;
use crate::run_id;
use crate::site::lease::Otherwise;
use crate::site::{Needs, Site};

/// Stops releases, supervisor and private PostgreSQL, under the lease.
///
/// # Errors
/// Somebody holds the lease, something does not end, or it is not ours to remove.
pub(super) async fn command(context: &Context, arguments: &DownArgs) -> Result<Exit, Error> {
    let run = run_id::fresh();
    let (begun, began_at) = (Instant::now(), json::now());
    let name = &arguments.on.environment;
    let live = Live::new(&context.terminal, &run, name);
    let outcome = Down { context, name, live: &live, run: &run }.go(arguments.purge).await;
    let mut finished = match &outcome {
        Ok(next) => done(next.clone()),
        Err(error) => failed(error),
    };
    let mut result = assemble::unrecorded(name, &run, &finished);
    (result.started_at, result.seconds) = (began_at, begun.elapsed().as_secs_f64());
    aftermath::write_folder(context, &mut result);
    finished.report = result.report;
    if context.terminal.json {
        live.tell_machine(EventBody::RunFinished(Box::new(finished)));
    }
    outcome.map(|_| Exit::Done)
}

/// One going down.
struct Down<'c> {
    context: &'c Context,
    name: &'c str,
    live: &'c Live<'c>,
    run: &'c str,
}

impl Down<'_> {
    /// Gives the next command, when there is one.
    async fn go(&self, purge: bool) -> Result<Option<String>, Error> {
        let (name, terminal) = (self.name, &self.context.terminal);
        let site = self.context.site(name, Needs::WhatIsThere)?;
        if purge && !site.environment.database.embedded {
            return Err(Error::refused(format!("the database of `{name}` is not ours to remove"))
                .hint(format!("run `crmctl down {name}`: it stops what crmctl runs and removes nothing")));
        }
        let on_swarm = matches!(site.platform, AnyPlatform::Swarm(_));
        if !on_swarm && !site.state.path().exists() {
            terminal.line(&format!("{name} was never up"));
            return Ok(None);
        }
        if purge && !self.confirmed()? {
            return Err(
                Error::refused("not confirmed").hint(format!("run `crmctl down {name} --purge --yes`"))
            );
        }
        if on_swarm && !self.confirmed_by_name()? {
            return Err(Error::refused("not confirmed")
                .hint(format!("run `crmctl down {name} --yes`: users find nobody there then")));
        }
        let lease = site.take_lease(self.run, "down", Otherwise::Refuse).await?;
        let (verb, token) = ("down".to_owned(), lease.token);
        if terminal.json {
            self.live.tell_machine(EventBody::RunStarted { verb, token });
        }
        if purge {
            let purged = self.purge(&site, token).await;
            // One in the state directory is gone with it; a shared one is not.
            if let Err(error) = site.ledger.release(&lease).await {
                tracing::warn!(%error, "the lease could not be given back");
            }
            purged?;
            terminal.line(&format!("{name} is down and its state is removed"));
            return Ok(None);
        }
        let outcome = self.stop(&site, token).await;
        if let Err(error) = site.ledger.release(&lease).await {
            tracing::warn!(%error, "the lease could not be given back");
        }
        outcome?;
        let next = format!("crmctl deploy {name}");
        terminal.line(&format!("{name} is down; its data stays"));
        terminal.line(&format!("next: {next}"));
        Ok(Some(next))
    }

    async fn purge(&self, site: &Site, token: u64) -> Result<(), Error> {
        match &site.platform {
            AnyPlatform::Process(platform) => {
                platform.purge(token).await.map_err(|error| self.not_down(&error))
            }
            AnyPlatform::Swarm(_) => Err(Error::refused("only an embedded environment can be removed")),
        }
    }

    async fn stop(&self, site: &Site, token: u64) -> Result<(), Error> {
        match &site.platform {
            AnyPlatform::Process(platform) => {
                platform.down(token).await.map_err(|error| self.not_down(&error))
            }
            AnyPlatform::Swarm(platform) => match platform.down(token).await {
                EffectOutcome::Done(_) => Ok(()),
                EffectOutcome::NotDone(failure) | EffectOutcome::Unknown(failure) => {
                    Err(self.not_down(&DownError::Releases(Box::new(failure))))
                }
            },
        }
    }

    /// Users would find nobody there, so the name is typed where somebody can type.
    fn confirmed_by_name(&self) -> Result<bool, Error> {
        if self.context.global.yes {
            return Ok(true);
        }
        let question =
            format!("nobody will answer users of `{}` any more; type its name to go on:", self.name);
        let typed = self.context.terminal.ask(&question);
        let typed = typed.map_err(|error| Error::refused(format!("no answer: {error}")))?;
        Ok(typed.is_some_and(|typed| typed == self.name))
    }

    fn not_down(&self, error: &DownError) -> Error {
        let exit = match error.class() {
            FailureClass::LeaseLost => Exit::LeaseLost,
            FailureClass::Refused => Exit::Refused,
            _ => Exit::Unwound,
        };
        let otherwise = || format!("run `crmctl status {}`", self.name);
        hinted(Error::new(exit, chain(error)), Some(error.hint().unwrap_or_else(otherwise)))
    }

    /// Removing data asks first, where somebody can answer.
    fn confirmed(&self) -> Result<bool, Error> {
        if self.context.global.yes {
            return Ok(true);
        }
        let question = format!("remove the database, releases and journal of `{}` for good?", self.name);
        let answer = self.context.terminal.confirm(&question);
        answer.map_err(|error| Error::refused(format!("no answer: {error}")))
    }
}

fn hinted(error: Error, hint: Option<String>) -> Error {
    Error { hint, ..error }
}

fn done(next: Option<String>) -> RunFinished {
    RunFinished {
        verb: "down".to_owned(),
        ending: json::word(&Ending::Done),
        exit_code: Exit::Done.code(),
        release: None,
        phases: Vec::new(),
        recovery: Vec::new(),
        failure: None,
        next,
        report: None,
    }
}

fn failed(error: &Error) -> RunFinished {
    let (ending, class) = match error.exit {
        Exit::LeaseLost => (Ending::Interrupted, FailureClass::LeaseLost),
        Exit::Unwound => (Ending::Failed, FailureClass::Failed),
        _ => (Ending::Refused, FailureClass::Refused),
    };
    let mut finished = json::refused("down", ending, error);
    if let Some(failure) = &mut finished.failure {
        failure.class = json::word(&class);
    }
    finished
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_run_is_told_from_a_failure_and_from_a_refusal() {
        let told = |exit: Exit| {
            let finished = failed(&Error::new(exit, "no"));
            (finished.exit_code, finished.ending, finished.failure.unwrap().class)
        };
        let words = |code: u8, ending: &str, class: &str| (code, ending.to_owned(), class.to_owned());
        assert_eq!(told(Exit::LeaseLost), words(12, "interrupted", "lease_lost"));
        assert_eq!(told(Exit::Unwound), words(20, "failed", "failed"));
        assert_eq!(told(Exit::LeaseHeld), words(11, "refused", "refused"));
    }
}
