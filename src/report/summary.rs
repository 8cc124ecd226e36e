//! How a run ended in one sentence, and the last lines of a run: why, what to do next, whom to call.

use phases::engine::event::{Ending, StepStatus};
use phases::plan::Phase;

use super::result::{Mood, RunResult, StepResult};
use crate::site::Site;
use crate::terminal::{Paint, seconds};

/// The lines.
pub fn lines(site: &Site, result: &RunResult, paint: Paint) -> Vec<String> {
    let mut lines = vec![painted(result, paint)];
    lines.extend(cause(result, paint));
    if result.ending == Some(Ending::Deployed) {
        lines.extend(welcome(site));
    }
    lines.extend(ways_on(result));
    lines
}

/// The sentence in the colour of its ending.
pub fn painted(result: &RunResult, paint: Paint) -> String {
    let sentence = headline(result);
    match result.mood() {
        Mood::Good => paint.green(&sentence),
        Mood::Open => paint.yellow(&sentence),
        Mood::Bad => paint.red(&sentence),
    }
}

/// What a run that failed left: a first deploy that had been switched already leaves nothing that serves.
fn left(result: &RunResult) -> &'static str {
    let withdrawn =
        |step: &StepResult| step.step == "deploy.shift" && step.status == Some(StepStatus::Undone);
    if result.recovery.iter().any(withdrawn) {
        "what was switched is taken back, and nothing served before"
    } else {
        "nothing was switched"
    }
}

/// How it ended.
pub fn headline(result: &RunResult) -> String {
    let (name, verb) = (&result.environment, &result.verb);
    let took = seconds(result.worked());
    let release = result.release.as_ref().map_or(String::new(), |release| format!(" {}", release.id));
    let at = result.reached().map_or(String::new(), |step| format!(" at {}", step.step));
    match result.ending {
        None if result.held_by.is_some() => format!("{verb} of {name} is under way"),
        None => format!("{verb} of {name} is unfinished{at}: its process is gone"),
        Some(Ending::Deployed) => format!("deployed{release} to {name} in {took}"),
        Some(Ending::Done) => format!("{verb} of {name} done in {took}"),
        Some(Ending::RolledBack) if result.exit_code == Some(0) => {
            format!("rolled back {name} to{} in {took}", target(result))
        }
        Some(Ending::RolledBack) => format!("rolled back {name}{at} after {took}"),
        Some(Ending::Failed) => format!("{verb} of {name} failed{at} after {took}; {}", left(result)),
        Some(Ending::Refused) => format!("{verb} of {name} refused{at}; nothing was changed"),
        Some(Ending::Stuck) => format!("{name} is stuck{at}: a person is needed"),
        Some(Ending::Interrupted) => format!("{verb} of {name} interrupted{at} after {took}"),
    }
}

/// Where going back led: the target of a rollback, or what served before a run that was taken back.
fn target(result: &RunResult) -> String {
    let own = result.phases.iter().any(|phase| phase.phase == Phase::Rollback);
    let release = if own { result.release.as_ref() } else { result.previous.as_ref() };
    release.map_or(" what served before".to_owned(), |release| format!(" {}", release.id))
}

/// Why it did not end well.
pub fn cause(result: &RunResult, paint: Paint) -> Vec<String> {
    let Some(failure) = &result.failure else { return Vec::new() };
    let mut lines = vec![format!("cause: {}", failure.message)];
    lines.extend(failure.detail.iter().map(|line| paint.dim(&format!("  | {line}"))));
    lines.extend(failure.hint.iter().map(|hint| format!("hint: {hint}")));
    lines
}

/// The next command, the other way, and whom to call.
pub fn ways_on(result: &RunResult) -> Vec<String> {
    let mut lines: Vec<String> = result.next.iter().map(|next| format!("next: {next}")).collect();
    lines.extend(result.alternative.iter().map(|other| format!("or: {other}")));
    lines.extend(result.contacts.iter().map(|(role, who)| format!("contact: {role} {who}")));
    lines
}

/// Address, accounts and commands for somebody who has just got a CRM.
fn welcome(site: &Site) -> Vec<String> {
    let name = &site.environment.facts.name;
    let mut lines = vec![format!("address: {}", site.environment.facts.public_url)];
    if site.environment.database.embedded && site.environment.secrets.get("SMOKE_PASSWORD").is_none() {
        lines.push("accounts: test@staging.com (CEO), vendedor@staging.com, otro@staging.com".to_owned());
        lines.push("          ceo2@staging.com (CEO of tenant 2); password of all: test123".to_owned());
    }
    let verbs = [Phase::Smoke.as_str(), Phase::Perf.as_str(), "status", "logs"]
        .map(|verb| format!("crmctl {verb} {name}"));
    lines.push(format!("commands: {}", verbs.join(" · ")));
    lines
}
