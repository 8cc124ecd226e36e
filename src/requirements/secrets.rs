//! Is the environment file complete, private, and free of placeholders?

use phases::engine::failure::CheckEvidence;

use super::Line;
use crate::environment::entries::Entry;
use crate::site::Site;
use crate::source::Source;

/// What to do when nobody can start the jobs.
pub const CEO: &str = "add `[session.ceo]` to the smoke suite and its password to the secrets, or set `ENABLE_SCHEDULED_TASKS=false`";

/// Every mistake is a line; then what is missing; then what is there.
pub fn ask(site: &Site, source: &Source) -> Vec<CheckEvidence> {
    let line = Line::new("environment", "ops");
    let environment = &site.environment;
    let mut lines: Vec<CheckEvidence> = environment
        .secret_mistakes
        .iter()
        .map(|mistake| {
            line.failed("a complete and private environment file", mistake.to_string(), "mend that line")
        })
        .collect();
    if lines.is_empty() {
        lines.extend(missing(site).into_iter().map(|entry| {
            let (name, purpose) = (&entry.name, entry.facts().purpose);
            let place = environment.top.secrets_file.as_deref().unwrap_or("the process environment");
            line.failed(format!("`{name}` ({purpose})"), "missing", format!("add `{name}=…` to `{place}`"))
        }));
    }
    if lines.is_empty() {
        lines.push(line.passed(summary(site, source)));
        lines.extend(jobs(site));
    }
    lines
}

/// Somebody has to start the jobs.
fn jobs(site: &Site) -> Option<CheckEvidence> {
    let unknown = site.smoke_account().err().filter(|_| site.environment.facts.jobs)?;
    Some(Line::new("jobs", "ops").failed("an account that may start the background jobs", unknown, CEO))
}

/// Keys that this environment cannot do without and nobody gave.
fn missing(site: &Site) -> Vec<Entry> {
    let environment = &site.environment;
    let is_missing = |entry: &Entry| entry.wanted && environment.secrets.get(&entry.name).is_none();
    environment.entries().into_iter().filter(is_missing).collect()
}

fn summary(site: &Site, source: &Source) -> String {
    let given = site.environment.secrets.iter().count();
    match &site.environment.secrets_file {
        Some(file) => {
            let root = &source.checkout.root;
            format!("{given} keys, `{}` is private", file.strip_prefix(root).unwrap_or(file).display())
        }
        None if site.environment.database.embedded => format!("{given} given, the rest is made by crmctl"),
        None => format!("{given} keys from the process environment"),
    }
}
