//! Going on with a run that has no end: forward or back, by any operator; or only with the run that was named.

use phases::engine::history;
use phases::engine::journal::Record;
use phases::engine::ledger::{Lease, Ledger};
use phases::engine::report::RunReport;
use phases::engine::resume::Unfinished;

use super::Run;
use crate::commands::Context;
use crate::error::{Error, ledger_error};
use crate::report::json;
use crate::run_id::RunId;
use crate::site::{Needs, Site, resume_gate};

/// Where to.
#[derive(Clone, Copy)]
pub(super) enum Way {
    /// Finish it.
    Resume,
    /// Take it back.
    Unwind,
}

/// Whether a run without end has begun to change something.
pub(super) async fn hinders(context: &Context, name: &str) -> Result<bool, Error> {
    let site = context.site(name, Needs::WhatIsThere)?;
    Ok(unfinished(&records(&site).await?)?.is_some_and(|run| run.touched()))
}

impl Run<'_> {
    /// Goes on with the unfinished run; with `named`, only when it is that one.
    pub(super) async fn go_on(&self, way: Way, named: Option<&RunId>) -> Result<(Site, RunReport), Error> {
        let site = self.context.site(self.name, Needs::Source)?;
        if let Some(named) = named {
            self.may_touch(&site, named).await?;
        }
        if matches!(way, Way::Resume) {
            site.environment.require_secrets()?;
        }
        let lease = self.lease(&site).await?;
        let report = self.go_on_under(&site, &lease, way, named).await;
        self.give_back(&site, &lease).await;
        Ok((site, report?))
    }

    async fn go_on_under(
        &self,
        site: &Site,
        lease: &Lease,
        way: Way,
        named: Option<&RunId>,
    ) -> Result<RunReport, Error> {
        let records = records(site).await?;
        // Between the look before the lease and the lease, another operator may have ended it.
        named.map_or(Ok(()), |named| is_unfinished(self.name, &records, named))?;
        let unfinished = going_on(&records)?.ok_or_else(|| {
            Error::refused(format!("no run of `{}` is unfinished", self.name))
                .hint(format!("run `crmctl status {}`", self.name))
        })?;
        if matches!(way, Way::Resume) {
            resume_gate::check(site, &unfinished).await?;
        }
        let run = unfinished.run.clone();
        self.live.speak_of(&run);
        self.with_engine(site, &run, async |engine| match way {
            Way::Resume => engine.resume(lease, unfinished).await,
            Way::Unwind => engine.unwind(lease, unfinished).await,
        })
        .await
    }

    /// Looks before the lease is asked for: taking it would change the environment already.
    async fn may_touch(&self, site: &Site, named: &RunId) -> Result<(), Error> {
        let holder = site.ledger.holder().await.map_err(|error| ledger_error(&error))?;
        let holder = holder.filter(|holder| holder.run == named.as_str());
        if holder.as_ref().is_some_and(|holder| !holder.expired) {
            // It is at work, perhaps without a record yet: the refusal of the lease says so, and by whom.
            return Ok(());
        }
        let records = records(site).await?;
        if holder.is_some() && !records.iter().any(|record| record.run == named.as_str()) {
            let message = format!("run `{named}` was cut off before it had a plan: it has changed nothing");
            return Err(Error::refused(message).hint(format!("run `crmctl status {}`", self.name)));
        }
        is_unfinished(self.name, &records, named)
    }
}

async fn records(site: &Site) -> Result<Vec<Record>, Error> {
    site.ledger.records().await.map_err(|error| ledger_error(&error))
}

fn unfinished(records: &[Record]) -> Result<Option<Unfinished>, Error> {
    history::unfinished(records).map_err(|error| Error::refused(error.to_string()))
}

/// A word or a revert has no steps: going on with it would only say that it was done.
fn going_on(records: &[Record]) -> Result<Option<Unfinished>, Error> {
    Ok(unfinished(records)?.filter(|run| !run.plan.phases.is_empty()))
}

/// Refuses when the unfinished run is not the one that was named.
fn is_unfinished(environment: &str, records: &[Record], named: &RunId) -> Result<(), Error> {
    let open = going_on(records)?;
    if open.as_ref().is_some_and(|open| open.run == named.as_str()) {
        return Ok(());
    }
    let run = history::runs(records).into_iter().find(|run| run.run == named.as_str());
    let other = open.map_or(String::new(), |open| format!("; run `{}` is unfinished", open.run));
    let (message, hint) = match run.as_ref().map(|run| (run, run.ending)) {
        None => (format!("`{environment}` knows no run `{named}`"), "history"),
        Some((run, Some(ending))) => {
            let ending = json::word(&ending).replace('_', " ");
            (format!("run `{named}` ({}) is over: {ending}", run.verb), "status")
        }
        Some((run, None)) => (format!("run `{named}` ({}) has nothing to go on with", run.verb), "status"),
    };
    let message = format!("{message}{other}; nothing was changed");
    Err(Error::refused(message).hint(format!("run `crmctl {hint} {environment}`")))
}
