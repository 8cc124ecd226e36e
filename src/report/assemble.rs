//! A result with all that is known of its run: what the journal tells, what was kept beside it, what the environment
//! says. The same function serves the end of a run and `crmctl report` years later.

use phases::engine::event::Ending;
use phases::engine::journal::Record;
use phases::engine::ledger::Lease;
use phases::engine::report::RunReport;
use secrecy::ExposeSecret;

use super::archive::Archive;
use super::changes;
use super::json::{self, ReleaseView, RunFinished};
use super::recall::recall;
use super::result::{Mood, RunResult};
use crate::environment::generated::GeneratedSecrets;
use crate::environment::keys;
use crate::error::Error;
use crate::git::Checkout;
use crate::site::Site;

/// Where a result comes from.
pub struct Sources<'s> {
    /// The environment.
    pub site: &'s Site,
    /// The checkout that knows the commits.
    pub checkout: Option<&'s Checkout>,
    /// The whole journal.
    pub records: &'s [Record],
    /// Who holds the lease.
    pub holder: Option<Lease>,
}

impl Sources<'_> {
    /// A past run; nothing when nobody remembers it.
    pub fn past(&self, run: &str) -> Option<RunResult> {
        let kept = Archive::of(&self.site.state).read(run);
        match (self.recalled(run), kept) {
            // The process that kept it saw the end of it.
            (Some(recalled), Some(kept)) if recalled.last_record == kept.last_record => Some(kept),
            (Some(recalled), _) => Some(self.complete(recalled)),
            (None, kept) => kept,
        }
    }

    /// The run that has just ended in this process.
    pub fn ended(&self, report: &RunReport) -> RunResult {
        let mut result =
            self.recalled(&report.run).unwrap_or_else(|| bare(&self.site.environment.facts.name, report));
        result.ending = Some(report.ending);
        result.exit_code = Some(report.exit_code);
        result.failure = report.failure.as_ref().map(json::failure_view);
        result.next.clone_from(&report.next);
        result.alternative = None;
        result.held_by = None;
        self.complete(result)
    }

    fn recalled(&self, run: &str) -> Option<RunResult> {
        let mut result = recall(self.records, run)?;
        let held = self.holder.as_ref().filter(|lease| !lease.expired);
        if let (None, Some(lease)) = (result.ending, held) {
            result.held_by = Some(lease.holder.clone());
            result.next = Some(format!("crmctl status {}", result.environment));
            result.alternative = None;
        }
        Some(result)
    }

    fn complete(&self, mut result: RunResult) -> RunResult {
        let environment = &self.site.environment;
        result.changes = changes::of_run(self.records, &result.run, self.checkout);
        result.loads = Archive::of(&self.site.state).loads(&result.run);
        result.owners = environment.owners.named();
        result.address = Some(environment.facts.public_url.clone());
        if needs_people(&result) {
            result.contacts.clone_from(&environment.contacts);
        }
        result.clean(&secrets(self.site))
    }
}

/// A bad ending, or none though nobody is at work; a refusal has changed nothing and is no reason to call.
fn needs_people(result: &RunResult) -> bool {
    let left = result.ending.is_none() && result.held_by.is_none();
    left || (result.mood() == Mood::Bad && result.ending != Some(Ending::Refused))
}

/// What no report may show.
fn secrets(site: &Site) -> Vec<String> {
    let given = site.environment.secrets.iter();
    let secret = given.filter(|(name, _)| keys::find(name).is_none_or(|key| key.secret));
    let mut all: Vec<String> = secret.map(|(_, value)| value.expose_secret().to_owned()).collect();
    if let Ok(Some(made)) = GeneratedSecrets::load(&site.state.secrets_file()) {
        all.extend(made.all().map(|value| value.expose_secret().to_owned()));
    }
    // A driver's message may show a password without the address around it.
    let addresses = all.iter().filter_map(|value| url::Url::parse(value).ok());
    let passwords: Vec<String> = addresses.filter_map(|url| url.password().map(str::to_owned)).collect();
    all.extend(passwords);
    all
}

/// A run that has no records: refused before its plan was written, or its journal cannot be read.
fn bare(environment: &str, report: &RunReport) -> RunResult {
    let release = report.release.as_ref();
    RunResult {
        release: release
            .map(|target| ReleaseView::new(&target.id, target.commit.clone(), target.digest.clone())),
        ..nothing(environment, &report.run, &report.verb)
    }
}

/// A verb that was refused before there was a run.
pub fn refused(environment: &str, run: &str, verb: &str, error: &Error) -> RunResult {
    unrecorded(environment, run, &json::refused(verb, Ending::Refused, error))
}

/// A verb that writes no records, as it told machines its end.
pub fn unrecorded(environment: &str, run: &str, finished: &RunFinished) -> RunResult {
    RunResult {
        ending: serde_json::from_value(finished.ending.clone().into()).ok(),
        exit_code: Some(finished.exit_code),
        failure: finished.failure.clone(),
        next: finished.next.clone(),
        ..nothing(environment, run, &finished.verb)
    }
}

fn nothing(environment: &str, run: &str, verb: &str) -> RunResult {
    let now = json::now();
    RunResult {
        schema: 1,
        run: run.to_owned(),
        environment: environment.to_owned(),
        verb: verb.to_owned(),
        ending: None,
        exit_code: None,
        held_by: None,
        actor: Some(crate::actor::holder()),
        started_at: now.clone(),
        ended_at: now,
        seconds: 0.0,
        last_record: 0,
        release: None,
        previous: None,
        changes: None,
        phases: Vec::new(),
        recovery: Vec::new(),
        pauses: Vec::new(),
        loads: std::collections::BTreeMap::new(),
        failure: None,
        next: None,
        alternative: None,
        owners: std::collections::BTreeMap::new(),
        contacts: std::collections::BTreeMap::new(),
        address: None,
        report: None,
    }
}
