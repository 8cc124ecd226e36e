//! `crmctl history`: past runs, newest first. Read only.

use console::measure_text_width;
use phases::engine::history;
use phases::engine::ledger::Ledger;

use super::{Context, run, status};
use crate::cli::HistoryArgs;
use crate::error::{Error, Exit};
use crate::report::document::{History, LastRunView};
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
    let rows: Vec<[String; 5]> = history.runs.iter().map(row).collect();
    let wide = rows
        .iter()
        .map(|[at, run, verb, release, ending]| format!("{at}  {run}  {verb:<9} {release:<32} {ending}"));
    let wide: Vec<String> = wide.collect();
    if wide.iter().all(|line| measure_text_width(line) <= context.terminal.width()) {
        wide.iter().for_each(|line| context.terminal.data(line));
    } else {
        // Every run on two lines: columns that come and go are hard to read.
        for [at, run, verb, release, ending] in rows {
            context.terminal.text(&format!("{at}  {run}\n  {verb}  {release}  {ending}"));
        }
    }
    if history.runs.is_empty() {
        context.terminal.talk(&format!("no run of `{}` yet", arguments.on.environment));
    }
    Ok(Exit::Done)
}

/// When, which, what it did, with what, how that ended.
fn row(run: &LastRunView) -> [String; 5] {
    let ending = run.ending.as_deref().unwrap_or("unfinished");
    let code = run.exit_code.map_or(String::new(), |code| format!(" (exit {code})"));
    let release = run.release.as_deref().unwrap_or("-");
    [run.at.clone(), run.run.clone(), run.verb.clone(), release.to_owned(), format!("{ending}{code}")]
}
