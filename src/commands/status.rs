//! `crmctl status`: what serves, what served before, who holds the lease, how the last run ended. Read only.

use phases::engine::history;
use phases::engine::ledger::Ledger;
use phases::engine::platform::Platform;
use phases::release::{ReleaseId, ReleaseState};

use super::{Context, run};
use crate::error::{Error, Exit};
use crate::release_directory;
use crate::report::document::{LastRunView, LeaseView, ServingView, Status};
use crate::report::json::{ReleaseView, word};
use crate::site::{Needs, Site};

/// Prints it.
///
/// # Errors
/// Journal or platform cannot be read.
pub(super) async fn command(context: &Context, name: &str) -> Result<Exit, Error> {
    let site = context.site(name, Needs::WhatIsThere)?;
    let status = read(&site).await?;
    if context.terminal.json {
        context.document(&status);
        return Ok(Exit::Done);
    }
    for line in lines(&status) {
        context.terminal.data(&line);
    }
    Ok(Exit::Done)
}

async fn read(site: &Site) -> Result<Status, Error> {
    let name = &site.environment.facts.name;
    let records = site.ledger.records().await.map_err(|error| run::ledger_error(&error))?;
    let holder = site.ledger.holder().await.map_err(|error| run::ledger_error(&error))?;
    let platform = site.platform.state().await.map_err(|error| Error::refused(error.to_string()))?;
    let known = history::known_releases(&records);
    let view = |id: &ReleaseId| {
        let file = release_directory::read(&site.state.releases(), id);
        let decided = known.iter().find(|release| release.id == *id);
        let commit =
            decided.map(|release| release.commit.clone()).or(file.as_ref().map(|file| file.commit.clone()));
        let digest = decided.map(|release| release.digest.clone()).or(file.map(|file| file.digest));
        ReleaseView::new(id, commit, digest)
    };
    let alive = |id: &ReleaseId| platform.instances.iter().find(|instance| instance.release == *id);
    let serving = platform.serving.as_ref().map(|id| {
        let release = view(id);
        let state = known.iter().find(|release| release.id == *id).map(|release| word(&release.state));
        let since = alive(id).map(|instance| instance.since.clone());
        ServingView { id: release.id, commit: release.commit, digest: release.digest, state, since }
    });
    let previous = previous(&records, platform.serving.as_ref());
    let last = history::last_run(&records);
    let next = next(name, &records, serving.is_some(), previous.is_some());
    Ok(Status {
        schema: 1,
        environment: name.clone(),
        serving,
        previous: previous.as_ref().map(view),
        lease: holder.map(|lease| LeaseView {
            holder: lease.holder,
            run: lease.run,
            token: lease.token,
            since: lease.since,
            expires_at: lease.expires_at,
            expired: lease.expired,
        }),
        last_run: last.map(|run| last_run(&run)),
        blocked: known.iter().filter(|r| r.state == ReleaseState::Blocked).map(|r| view(&r.id)).collect(),
        next: Some(next),
    })
}

/// Where a rollback would go: the good release before the serving one.
fn previous(records: &[phases::engine::journal::Record], serving: Option<&ReleaseId>) -> Option<ReleaseId> {
    let trail = history::trail(records);
    let end = serving.and_then(|serving| trail.iter().rposition(|id| id == serving)).unwrap_or(trail.len());
    trail.get(..end)?.last().cloned()
}

fn next(name: &str, records: &[phases::engine::journal::Record], serves: bool, can_go_back: bool) -> String {
    match history::blockage(records) {
        Ok(Some(phases::observed::Blockage::Unfinished { .. })) => format!("crmctl resume {name}"),
        _ if !serves => format!("crmctl deploy {name}"),
        _ if can_go_back => format!("crmctl rollback {name}"),
        _ => format!("crmctl smoke {name}"),
    }
}

/// A run as documents show it.
pub(super) fn last_run(run: &history::RunSummary) -> LastRunView {
    LastRunView {
        run: run.run.clone(),
        verb: run.verb.clone(),
        ending: run.ending.map(|ending| word(&ending)),
        exit_code: run.exit_code,
        at: run.at.clone(),
    }
}

fn lines(status: &Status) -> Vec<String> {
    let none = || "none".to_owned();
    let serving = status.serving.as_ref().map_or_else(none, |serving| {
        let state = serving.state.as_deref().unwrap_or("undecided");
        format!("{} ({state}, since {})", serving.id, serving.since.as_deref().unwrap_or("it is not running"))
    });
    let lease = status.lease.as_ref().map_or_else(none, |lease| {
        let dead = if lease.expired { ", its process is gone" } else { "" };
        format!("{} with run {} since {}{dead}", lease.holder, lease.run, lease.since)
    });
    let last = status.last_run.as_ref().map_or_else(none, |run| {
        format!("{} {} {} at {}", run.run, run.verb, run.ending.as_deref().unwrap_or("unfinished"), run.at)
    });
    let mut lines = vec![
        format!("environment  {}", status.environment),
        format!("serving      {serving}"),
        format!("previous     {}", status.previous.as_ref().map_or_else(none, |release| release.id.clone())),
        format!("lease        {lease}"),
        format!("last run     {last}"),
    ];
    lines.extend(status.blocked.iter().map(|release| format!("blocked      {}", release.id)));
    lines.extend(status.next.iter().map(|next| format!("next         {next}")));
    lines
}
