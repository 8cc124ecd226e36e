//! What stays of a run when its process is gone: the result in the state directory and in the folder of `--report`.
//! Nothing in here can fail a run.

use std::sync::{Mutex, PoisonError};

use phases::engine::event::Event;
use phases::engine::ledger::Ledger;
use phases::engine::report::RunReport;

use super::Context;
use crate::error::Error;
use crate::notify::Notifier;
use crate::report::archive::Archive;
use crate::report::assemble::{self, Sources};
use crate::report::folder::{self, REPORTERS};
use crate::report::result::RunResult;
use crate::site::Site;

/// Keeps, while a run goes on, what the journal does not hold, and tells the chat that it began.
pub(super) struct Keeper<'k> {
    archive: Archive,
    run: String,
    step: Mutex<String>,
    notifier: &'k Mutex<Option<Notifier>>,
}

impl<'k> Keeper<'k> {
    /// For one run; `notifier` is where its end will find the one who tells the chat.
    pub(super) fn new(
        site: &Site,
        run: &str,
        context: &Context,
        notifier: &'k Mutex<Option<Notifier>>,
    ) -> Self {
        *notifier.lock().unwrap_or_else(PoisonError::into_inner) = Notifier::start(site, &context.terminal);
        Self { archive: Archive::of(&site.state), run: run.to_owned(), step: Mutex::default(), notifier }
    }

    /// Takes one event.
    pub(super) fn tell(&self, event: &Event) {
        let mut current = self.step.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::StepStarted { step, .. } => current.clone_from(step),
            Event::LoadFinished { report } => {
                if let Err(error) = self.archive.keep_load(&self.run, &current, report) {
                    tracing::warn!(%error, "a load could not be kept for reports");
                }
            }
            Event::PlanReady { plan } => {
                let mut notifier = self.notifier.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(notifier) = notifier.as_mut() {
                    notifier.began(&self.run, plan);
                }
            }
            _ => {}
        }
    }
}

/// Makes the result of a run that has ended, and keeps it. What cannot be written is told.
pub(super) async fn keep(context: &Context, site: &Site, report: &RunReport) -> RunResult {
    let records = site.ledger.records().await.unwrap_or_default();
    let checkout = context.place.checkout.as_ref();
    let mut result = Sources { site, checkout, records: &records, holder: None }.ended(report);
    let archive = Archive::of(&site.state);
    let asked = context.global.report.as_ref();
    let folder = asked.cloned().unwrap_or_else(|| archive.folder(&result.run));
    result.report = Some(folder.display().to_string());
    if let Err(error) = archive.keep(&result) {
        let place = archive.folder(&result.run);
        context.terminal.talk(&format!("the result cannot be kept: `{}`: {error}", place.display()));
        result.report = asked.map(|folder| folder.display().to_string());
    }
    write_folder(context, &mut result);
    result
}

/// A run that was refused before it began leaves a report only where one was asked for.
pub(super) fn refused(context: &Context, environment: &str, run: &str, verb: &str, error: &Error) {
    write_folder(context, &mut assemble::refused(environment, run, verb, error));
}

/// Writes the folder of `--report`, where one was asked for; the result says where it lies.
pub(super) fn write_folder(context: &Context, result: &mut RunResult) {
    let Some(folder) = &context.global.report else { return };
    result.report = Some(folder.display().to_string());
    let problems = folder::write(folder, result, &REPORTERS);
    problems.iter().for_each(|problem| context.terminal.talk(&problem.to_string()));
    if problems.len() == REPORTERS.len() || !folder.is_dir() {
        result.report = None;
    }
}
