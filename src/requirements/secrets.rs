//! Is the environment file complete, private, and free of placeholders?

use phases::engine::failure::CheckEvidence;
use phases::environment::PlatformKind;

use super::Line;
use crate::environment::keys;
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
        lines.extend(missing(site).into_iter().map(|name| {
            let purpose = keys::find(name).map_or("", |key| key.purpose);
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

/// Keys that this environment cannot do without.
fn missing(site: &Site) -> Vec<&str> {
    let environment = &site.environment;
    let mut wanted: Vec<&str> = Vec::new();
    if !environment.database.embedded {
        wanted.extend(environment.database.dsn_key.as_deref());
        wanted.extend(environment.database.migrator_dsn_key.as_deref());
        wanted.extend(["JWT_SECRET", "SMOKE_PASSWORD"]);
    }
    if environment.facts.platform == PlatformKind::Swarm {
        wanted.extend(["REDIS_HOST", "REDIS_PASSWORD", "FRONTEND_URL", "BACKEND_URL"]);
    }
    wanted.into_iter().filter(|name| environment.secrets.get(name).is_none()).collect()
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
