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
    let rows: Vec<[String; 2]> = history.runs.iter().map(row).collect();
    let width = context.terminal.width();
    // One that is too wide puts every run on two lines: columns that come and go are hard to read.
    let narrow = rows.iter().any(|[run, end]| measure_text_width(run) + measure_text_width(end) + 2 > width);
    for [run, end] in rows {
        if narrow {
            context.terminal.line(&run);
            context.terminal.line(&format!("  {end}"));
        } else {
            context.terminal.data(&format!("{run}  {end}"));
        }
    }
    if history.runs.is_empty() {
        context.terminal.talk(&format!("no run of `{}` yet", arguments.on.environment));
    }
    Ok(Exit::Done)
}

/// When and which; what it did and how that ended.
fn row(run: &LastRunView) -> [String; 2] {
    let ending = run.ending.as_deref().unwrap_or("unfinished");
    let code = run.exit_code.map_or(String::new(), |code| format!(" (exit {code})"));
    let release = run.release.as_deref().unwrap_or("-");
    [format!("{}  {}", run.at, run.run), format!("{:<9} {release:<32} {ending}{code}", run.verb)]
}
