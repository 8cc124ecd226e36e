//! `crmctl report`: a past run in the form that is asked for. Reads the journal and what was kept; changes nothing.

use phases::engine::history;
use phases::engine::ledger::Ledger;

use super::{Context, run};
use crate::cli::{ReportArgs, ReportFormat};
use crate::environment;
use crate::error::{Error, Exit};
use crate::report::archive::Archive;
use crate::report::assemble::Sources;
use crate::report::folder::{self, REPORTERS};
use crate::report::result::RunResult;
use crate::report::{html, junit, markdown, text};
use crate::run_id::RunId;
use crate::site::{Needs, Site};
use crate::state_directory::StateDirectory;

mod browser;

/// The word for the newest run.
const LAST: &str = "last";
/// Runs that an error names.
const NAMED: usize = 3;

/// Prints it, or opens its page.
///
/// # Errors
/// The run is not known, or the journal cannot be read.
pub(super) async fn command(context: &Context, arguments: &ReportArgs) -> Result<Exit, Error> {
    let (name, run) = meant(context, arguments).await?;
    let site = context.site(&name, Needs::WhatIsThere)?;
    let mut result = read(context, &site, &run).await?;
    if let Some(folder) = &context.global.report {
        result.report = Some(folder.display().to_string());
        for problem in folder::write(folder, &result, &REPORTERS) {
            context.terminal.talk(&problem.to_string());
        }
    }
    if arguments.open {
        return open(context, &site, &result).await;
    }
    let default = if context.terminal.json { ReportFormat::Json } else { ReportFormat::Text };
    let rendered = match arguments.format.unwrap_or(default) {
        ReportFormat::Text => {
            let lines = text::lines(&result, context.terminal.width(), context.terminal.paint);
            context.terminal.text(&lines.join("\n"));
            return Ok(Exit::Done);
        }
        ReportFormat::Json => serde_json::to_string(&result).expect("a result is plain data with text keys"),
        ReportFormat::Junit => junit::render(&result).map_err(|cause| Error::new(Exit::Bug, cause))?,
        ReportFormat::Markdown => markdown::render(&result),
        ReportFormat::Html => html::render(&result),
    };
    context.terminal.data(rendered.trim_end());
    Ok(Exit::Done)
}

/// Environment and run. A single word that names no environment is a run.
async fn meant(context: &Context, arguments: &ReportArgs) -> Result<(String, String), Error> {
    let subject = &arguments.subject;
    let environments = environment::list(&context.place.config);
    let run = arguments.run.clone();
    if environments.contains(subject) || run.is_some() || !(subject == LAST || is_run_id(subject)) {
        return Ok((subject.clone(), run.unwrap_or_else(|| LAST.to_owned())));
    }
    let mut found = Vec::new();
    for name in environments.iter().filter(|name| has_state(name)) {
        let Ok(site) = context.site(name, Needs::WhatIsThere) else { continue };
        let runs = runs(&site).await?;
        if runs.iter().any(|run| run == subject || subject == LAST) {
            found.push(name.clone());
        }
    }
    match found.as_slice() {
        [only] => Ok((only.clone(), subject.clone())),
        [] if subject == LAST => {
            Err(Error::refused("no run of any environment yet").hint("run `crmctl deploy local`"))
        }
        [] => Err(Error::usage(format!("no environment has a run `{subject}`"))
            .hint("`crmctl history <environment>` lists the runs of one")),
        several => Err(Error::usage(format!("`{subject}` could be meant in {}", several.join(", ")))
            .hint(format!("name the environment: `crmctl report {} {subject}`", several[0]))),
    }
}

fn is_run_id(word: &str) -> bool {
    word.parse::<RunId>().is_ok()
}

fn has_state(name: &str) -> bool {
    StateDirectory::locate(name).is_ok_and(|state| state.path().is_dir())
}

/// Runs of an environment, newest first: those of the journal, then those that only left a result.
async fn runs(site: &Site) -> Result<Vec<String>, Error> {
    let records = site.ledger.records().await.map_err(|error| run::ledger_error(&error))?;
    let mut runs: Vec<String> = history::runs(&records).into_iter().rev().map(|run| run.run).collect();
    let kept = Archive::of(&site.state).runs();
    runs.extend(kept.into_iter().filter(|run| !records.iter().any(|record| record.run == *run)));
    Ok(runs)
}

async fn read(context: &Context, site: &Site, run: &str) -> Result<RunResult, Error> {
    let name = &site.environment.facts.name;
    let records = site.ledger.records().await.map_err(|error| run::ledger_error(&error))?;
    let holder = site.ledger.holder().await.map_err(|error| run::ledger_error(&error))?;
    let runs = runs(site).await?;
    let Some(newest) = runs.first() else {
        return Err(
            Error::refused(format!("no run of `{name}` yet")).hint(format!("run `crmctl deploy {name}`"))
        );
    };
    let id = if run == LAST { newest.clone() } else { run.to_owned() };
    let checkout = context.place.checkout.as_ref();
    let sources = Sources { site, checkout, records: &records, holder };
    let known = is_run_id(&id).then(|| sources.past(&id)).flatten();
    known.ok_or_else(|| {
        let newest = runs.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        Error::usage(format!("`{name}` has no run `{id}`"))
            .hint(format!("its newest runs: {newest}; `crmctl history {name}` lists more"))
    })
}

/// The page lies beside the result, where only its owner can read it.
async fn open(context: &Context, site: &Site, result: &RunResult) -> Result<Exit, Error> {
    let page = Archive::of(&site.state).keep_page(&result.run, &html::render(result));
    let page = page.map_err(|error| Error::refused(format!("the page cannot be written: {error}")))?;
    context.terminal.data(&page.display().to_string());
    browser::show(&page).await.map_err(|cause| {
        Error::refused(format!("no browser could be opened: {cause}"))
            .hint(format!("open `{}` yourself, or set `BROWSER`", page.display()))
    })?;
    Ok(Exit::Done)
}
