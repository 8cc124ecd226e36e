//! Does the lock file hold the packages that the backend and the page stand on?

use phases::engine::failure::CheckEvidence;
use phases::environment::BuildSource;

use super::Line;
use crate::site::Site;
use crate::source::Source;

/// Packages the backend cannot do without: server, database, cache, passwords, tokens, runtime of the jobs.
const BACKEND: [&str; 6] = ["axum", "sqlx", "redis", "argon2", "jsonwebtoken", "tokio"];
/// Packages the page cannot do without.
const PAGE: [&str; 2] = ["date-fns", "socket.io-client"];

/// Versions as locked.
pub fn ask(site: &Site, source: &Source) -> Vec<CheckEvidence> {
    let mut lines = vec![backend(site, source)];
    if source.checkout.root.join("frontend/package.json").is_file() {
        lines.push(page(source));
    }
    lines
}

fn backend(site: &Site, source: &Source) -> CheckEvidence {
    let line = Line::new("dependencies", "dev");
    if let BuildSource::Artifact(path) = &site.environment.facts.build {
        return line.passed(format!("prebuilt server `{path}`: nothing to compile"));
    }
    let file = source.checkout.root.join("Cargo.lock");
    let lock = std::fs::read_to_string(&file).ok().and_then(|text| text.parse::<toml::Table>().ok());
    let hint = "run `cargo generate-lockfile` and commit `Cargo.lock`";
    let Some(lock) = lock else {
        return line.failed("`Cargo.lock`", "missing or unreadable", hint);
    };
    let version = |name: &str| {
        let packages = lock.get("package")?.as_array()?;
        let found = packages
            .iter()
            .find(|package| package.get("name").and_then(toml::Value::as_str) == Some(name))?;
        found.get("version")?.as_str().map(|version| format!("{name} {version}"))
    };
    locked(&line, &BACKEND, version, hint)
}

fn page(source: &Source) -> CheckEvidence {
    let line = Line::new("page-dependencies", "dev");
    let file = source.checkout.root.join("frontend/package-lock.json");
    let lock = std::fs::read_to_string(&file).ok();
    let lock = lock.and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok());
    let hint = "run `npm install` in `frontend` and commit `package-lock.json`";
    let Some(lock) = lock else {
        return line.failed("`frontend/package-lock.json`", "missing or unreadable", hint);
    };
    let version = |name: &str| {
        let package = lock.get("packages")?.get(format!("node_modules/{name}"))?;
        package.get("version")?.as_str().map(|version| format!("{name} {version}"))
    };
    locked(&line, &PAGE, version, hint)
}

fn locked(
    line: &Line,
    wanted: &[&str],
    version: impl Fn(&str) -> Option<String>,
    hint: &str,
) -> CheckEvidence {
    let missing: Vec<&str> = wanted.iter().filter(|name| version(name).is_none()).copied().collect();
    if missing.is_empty() {
        let found: Vec<String> = wanted.iter().filter_map(|name| version(name)).collect();
        return line.passed(found.join(", "));
    }
    line.failed(format!("{} in the lock file", missing.join(", ")), "missing", hint)
}
