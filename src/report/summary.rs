//! The last lines of a run: how it ended, why, what to do next, whom to call.

use phases::engine::event::Ending;
use phases::engine::report::RunReport;
use phases::plan::Phase;

use crate::site::Site;
use crate::terminal::{Paint, seconds};

/// The lines.
pub fn lines(site: &Site, report: &RunReport, paint: Paint) -> Vec<String> {
    let mut lines = vec![ending(site, report, paint)];
    if let Some(failure) = &report.failure {
        lines.push(format!("cause: {}", failure.message));
        lines.extend(failure.detail.iter().map(|line| paint.dim(&format!("  | {line}"))));
        lines.extend(failure.hint.iter().map(|hint| format!("hint: {hint}")));
    }
    if report.ending == Ending::Deployed {
        lines.extend(welcome(site));
    }
    lines.extend(report.next.iter().map(|next| format!("next: {next}")));
    if matches!(report.ending, Ending::Stuck | Ending::RolledBack) && report.failure.is_some() {
        lines.extend(site.environment.contacts.iter().map(|(role, who)| format!("contact: {role} {who}")));
    }
    lines
}

fn ending(site: &Site, report: &RunReport, paint: Paint) -> String {
    let name = &site.environment.facts.name;
    let took = seconds(report.phases.iter().map(|phase| phase.seconds).sum());
    let release = report.release.as_ref().map_or(String::new(), |target| format!(" {}", target.id));
    let at = reached(report).map_or(String::new(), |step| format!(" at {step}"));
    match report.ending {
        Ending::Deployed => paint.green(&format!("deployed{release} to {name} in {took}")),
        Ending::Done => paint.green(&format!("{} of {name} done in {took}", report.verb)),
        Ending::RolledBack if report.exit_code == 0 => {
            paint.green(&format!("rolled back {name} to{release} in {took}"))
        }
        Ending::RolledBack => paint.red(&format!("rolled back {name}{at} after {took}")),
        Ending::Failed => {
            paint.red(&format!("{} of {name} failed{at} after {took}; nothing was switched", report.verb))
        }
        Ending::Refused => paint.red(&format!("{} of {name} refused{at}; nothing was changed", report.verb)),
        Ending::Stuck => paint.red(&format!("{name} is stuck{at}: a person is needed")),
        Ending::Interrupted => {
            paint.yellow(&format!("{} of {name} interrupted{at} after {took}", report.verb))
        }
    }
}

/// The step that ended the run.
fn reached(report: &RunReport) -> Option<&str> {
    let steps = report.phases.iter().flat_map(|phase| &phase.steps);
    steps.filter(|step| step.failure.is_some()).map(|step| step.step.as_str()).next()
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
