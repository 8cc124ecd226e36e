//! The judge: what must be true after every case, asked of the port, the processes, the files, the database and only
//! then of crmctl itself, whose answers must agree.

use serde_json::Value;

use super::chain::{self, Record, Run};
use super::stage::{Stage, until};
use crate::harness::client::Seen;

/// What a case broke. Empty is what the campaign is about.
#[derive(Debug, Default)]
pub(crate) struct Breaches(pub(crate) Vec<String>);

impl Breaches {
    pub(crate) fn check(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.0.push(what());
        }
    }

    /// Takes the value, or the breach.
    pub(crate) fn take<T>(&mut self, given: Result<T, String>) -> Option<T> {
        given.map_err(|what| self.0.push(what)).ok()
    }
}

/// Right after a run was killed, before anybody goes on: the world may lag behind the journal, never be ahead of it.
pub(crate) fn nothing_without_intent(
    stage: &Stage,
    records: &[Record],
    before: &Before,
    breaches: &mut Breaches,
) {
    let answers = stage.answers();
    let living = stage.living();
    let new = chain::runs(&records[before.records..]).pop();
    let intended = |action: &str| {
        let Some(run) = &new else { return false };
        run.steps().filter(|(_, does)| *does == action).any(|(id, _)| {
            let mut own = records.iter().filter(|record| record.run() == run.id);
            own.any(|record| record.kind() == "INTENT" && record.step() == Some(id))
        })
    };
    if answers != before.serving {
        breaches.check(intended("shift_traffic"), || {
            format!("{answers:?} answers after {:?}, and no INTENT says so", before.serving)
        });
    }
    for release in living.iter().filter(|release| !before.living.contains(release)) {
        breaches.check(intended("start_release"), || format!("`{release}` runs, and no INTENT says so"));
    }
    for release in stage.releases().iter().filter(|release| !before.releases.contains(release)) {
        breaches.check(intended("build_backend"), || format!("`{release}` is built, and no INTENT says so"));
    }
    if before.serving.is_some() && !before.migrated && stage.is_migrated() == Ok(true) {
        breaches.check(intended("migrate"), || "the schema has changed, and no INTENT says so".to_owned());
    }
}

/// What was so before a case began.
#[derive(Debug)]
pub(crate) struct Before {
    pub(crate) serving: Option<String>,
    pub(crate) living: Vec<String>,
    pub(crate) releases: Vec<String>,
    pub(crate) migrated: bool,
    /// Records in the journal.
    pub(crate) records: usize,
}

impl Before {
    pub(crate) fn look(stage: &Stage) -> Self {
        let serving = stage.answers();
        Self {
            living: stage.living(),
            releases: stage.releases(),
            migrated: serving.is_some() && stage.is_migrated() == Ok(true),
            records: stage.records().map_or(0, |records| records.len()),
            serving,
        }
    }
}

/// At rest: one release serves and nothing else lives, the journal is whole, the lease is free, and `status` and
/// `history` say what is so.
pub(crate) fn at_rest(stage: &Stage, serving: Option<&str>, breaches: &mut Breaches) {
    let alone = || stage.living() == serving.map(str::to_owned).into_iter().collect::<Vec<_>>();
    let well = until(|| alone() && crmctls(stage).is_empty());
    breaches.check(well, || format!("{serving:?} should live alone; there are {:?}", stage.programs()));
    let answers = stage.answers();
    breaches.check(answers.as_deref() == serving, || {
        format!("{serving:?} should answer the public address, and {answers:?} does")
    });
    breaches.check(lease_is_free(stage), || "the lock of the lease is held".to_owned());
    // The ones to go back to, what serves, and one that was built and taken back.
    let releases = stage.releases();
    breaches.check(releases.len() <= RETENTION + 2, || format!("releases pile up: {releases:?}"));
    if let Some(records) = breaches.take(stage.records()) {
        tells_the_truth(stage, &records, serving, breaches);
    }
    let said = stage.everything_said();
    let shown = stage.secrets().iter().any(|secret| said.contains(secret));
    breaches.check(!shown, || "a secret is shown".to_owned());
}

/// `retention` of the environment.
const RETENTION: usize = 3;

/// Processes of crmctl that are no supervisor.
fn crmctls(stage: &Stage) -> Vec<u32> {
    let is_supervisor = |pid: u32| {
        let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&arguments).split('\0').any(|argument| argument == "supervise")
    };
    let named = |program: &std::path::Path| {
        program.file_name().is_some_and(|name| name.to_string_lossy().starts_with("crmctl"))
    };
    let programs = stage.programs().into_iter();
    programs.filter(|(pid, program)| named(program) && !is_supervisor(*pid)).map(|(pid, _)| pid).collect()
}

fn lease_is_free(stage: &Stage) -> bool {
    let Ok(file) = std::fs::File::open(stage.place().join("ledger/lease")) else { return true };
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_ok()
}

fn tells_the_truth(stage: &Stage, records: &[Record], serving: Option<&str>, breaches: &mut Breaches) {
    let runs = chain::runs(records);
    if let Some(status) = breaches.take(stage.document("status")) {
        breaches.check(status["serving"]["id"].as_str() == serving, || {
            format!("status says that {} serves; it is {serving:?}", status["serving"]["id"])
        });
        breaches.check(status["lease"].is_null(), || format!("status has a lease: {}", status["lease"]));
        breaches.check(says(&status["last_run"], runs.last()), || {
            format!("the last run was {:?}; status says {}", runs.last(), status["last_run"])
        });
        let drift = status["drift"].as_array().is_some_and(Vec::is_empty);
        breaches.check(drift, || format!("status sees drift: {}", status["drift"]));
    }
    if let Some(history) = breaches.take(stage.document("history")) {
        let told = history["runs"].as_array().cloned().unwrap_or_default();
        let enough = !told.is_empty() || runs.is_empty();
        let equal = told.iter().zip(runs.iter().rev()).all(|(line, run)| says(line, Some(run)));
        breaches.check(enough && equal, || format!("history says {told:?}; the journal has {runs:?}"));
    }
}

/// A line of `history` says what the journal says.
fn says(line: &Value, run: Option<&Run>) -> bool {
    let Some(run) = run else { return line.is_null() };
    let (ending, code) = run.ended.clone().unzip();
    line["run"] == *run.id
        && line["verb"] == *run.verb
        && line["ending"].as_str() == ending.as_deref()
        && line["exit_code"].as_i64() == code
}

/// What the clients saw: no failure, no answer but of the releases that may serve, no login lost.
pub(crate) fn clients(stage: &Stage, seen: &Seen, may_serve: &[String], breaches: &mut Breaches) {
    breaches.check(seen.failures.is_empty(), || {
        format!("{} of {} requests failed: {:?}", seen.failures.len(), seen.total(), seen.failures.first())
    });
    breaches.check(seen.total() > 0, || "the clients asked nothing".to_owned());
    let strangers: Vec<_> = seen.releases.keys().filter(|release| !may_serve.contains(release)).collect();
    breaches.check(strangers.is_empty(), || format!("{strangers:?} answered; only {may_serve:?} may"));
    if let Some(lost) = breaches.take(stage.unknown_logins(&seen.logins)) {
        breaches.check(lost == 0, || {
            format!("{lost} of {} logins that were answered are lost", seen.logins.len())
        });
    }
}
