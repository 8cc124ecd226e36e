//! `crmctl status`: what serves, what served before, who holds the lease, how the last run ended. Read only.

use std::collections::BTreeMap;

use phases::drift;
use phases::engine::history;
use phases::engine::ledger::Ledger;
use phases::engine::platform::{Instance, Role};
use phases::observed::{Blockage, Observed};
use phases::release::{ReleaseId, ReleaseState};
use phases::rollback;

use super::{Context, run};
use crate::error::{Error, Exit};
use crate::observe;
use crate::report::document::{LastRunView, LeaseView, ServingView, Status};
use crate::report::json::{ReleaseView, word};
use crate::site::{Needs, Site};
use crate::terminal::fold::fold;

/// Column where values begin.
const VALUES: usize = 13;

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
    for line in lines(&status).iter().flat_map(|line| fold(line, context.terminal.width(), VALUES)) {
        context.terminal.data(&line);
    }
    Ok(Exit::Done)
}

async fn read(site: &Site) -> Result<Status, Error> {
    let name = &site.environment.facts.name;
    let holder = site.ledger.holder().await.map_err(|error| run::ledger_error(&error))?;
    let (records, observed) = observe::remembered(site).await?;
    let platform = &observed.platform;
    let mut files = BTreeMap::new();
    for id in platform.serving.iter().chain(observed.releases.iter().map(|release| &release.id)) {
        // A record that cannot be had says nothing more than the journal does.
        if let Ok(Some(file)) = site.release_file(id).await {
            files.insert(id.clone(), file);
        }
    }
    let view = |id: &ReleaseId| {
        let file = files.get(id).cloned();
        let decided = observed.known(id);
        // A release whose build this journal has not seen was decided by its name alone.
        let said = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let commit = decided.and_then(|release| said(&release.commit));
        let digest = decided.and_then(|release| said(&release.digest));
        let commit = commit.or_else(|| file.as_ref().map(|file| file.commit.clone()));
        ReleaseView::new(id, commit, digest.or_else(|| file.map(|file| file.digest)))
    };
    let serving = platform.serving.as_ref().map(|id| {
        let alive = |i: &&Instance| i.release == *id && i.role == Role::Serving;
        let since = platform.instances.iter().find(alive).map(|instance| instance.since.clone());
        let state = observed.known(id).map(|release| word(&release.state));
        let release = view(id);
        ServingView { id: release.id, commit: release.commit, digest: release.digest, state, since }
    });
    let previous = rollback::target(&site.environment.facts, None, &observed).ok();
    let last = history::last_run(&records);
    let blocked = observed.releases.iter().filter(|release| release.state == ReleaseState::Blocked);
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
        blocked: blocked.map(|release| view(&release.id)).collect(),
        drift: drift::drift(&observed),
        next: Some(next(name, &observed, previous.is_some())),
    })
}

/// The command that helps most now.
fn next(name: &str, observed: &Observed, can_go_back: bool) -> String {
    match &observed.blockage {
        Some(Blockage::Unfinished { .. }) => format!("crmctl resume {name}"),
        Some(Blockage::Stuck { .. }) if !can_go_back => format!("crmctl resolve {name} --reason …"),
        _ if observed.alive().is_none() => format!("crmctl deploy {name}"),
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
        release: run.release.as_ref().map(ToString::to_string),
        at: run.at.clone(),
    }
}

fn lines(status: &Status) -> Vec<String> {
    let none = || "none".to_owned();
    let serving = status.serving.as_ref().map_or_else(none, |serving| {
        let state = serving.state.as_deref().unwrap_or("undecided");
        let since = serving.since.as_ref().map_or("not running".to_owned(), |since| format!("since {since}"));
        format!("{} ({state}, {since})", serving.id)
    });
    let lease = status.lease.as_ref().map_or_else(none, |lease| {
        let dead = match (lease.expired, &lease.expires_at) {
            (false, _) => "",
            (true, None) => ", its process is gone",
            (true, Some(_)) => ", it has run out or its process is gone",
        };
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
    lines.extend(status.drift.iter().map(|drift| format!("drift        {drift}")));
    lines.extend(status.next.iter().map(|next| format!("next         {next}")));
    lines
}
