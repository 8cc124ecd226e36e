//! `crmctl history`: past runs, newest first. Read only.

use phases::engine::history;
use phases::engine::ledger::Ledger;

use super::{Context, run, status};
use crate::cli::HistoryArgs;
use crate::error::{Error, Exit};
use crate::report::document::History;
use crate::site::Needs;

/// Prints it.
///
/// # Errors
/// The journal cannot be read.
pub(super) async fn command(context: &Context, arguments: &HistoryArgs) -> Result<Exit, Error> {
    let site = context.site(&arguments.on.environment, Needs::WhatIsThere)?;
    let records = site.ledger.records().await.map_err(|error| run::ledger_error(&error))?;
    let runs = history::runs(&records).iter().rev().take(arguments.limit).map(status::last_run).collect();
    let history = History { schema: 1, environment: arguments.on.environment.clone(), runs };
    if context.terminal.json {
        context.document(&history);
        return Ok(Exit::Done);
    }
    for run in &history.runs {
        let ending = run.ending.as_deref().unwrap_or("unfinished");
        let code = run.exit_code.map_or(String::new(), |code| format!(" (exit {code})"));
        let release = run.release.as_deref().unwrap_or("-");
        let line = format!("{}  {}  {:<9} {release:<32} {ending}{code}", run.at, run.run, run.verb);
        context.terminal.data(&line);
    }
    if history.runs.is_empty() {
        context.terminal.talk(&format!("no run of `{}` yet", arguments.on.environment));
    }
    Ok(Exit::Done)
}
