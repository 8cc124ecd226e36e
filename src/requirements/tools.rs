//! Are the programs there that this environment needs, and which versions are they?

use std::process::Stdio;
use std::time::Duration;

use phases::engine::failure::CheckEvidence;
use phases::environment::BuildSource;

use super::Line;
use crate::site::Site;

const PATIENCE: Duration = Duration::from_secs(10);

/// git always; a compiler when something is compiled; PostgreSQL when it is private.
pub async fn ask(site: &Site) -> Vec<CheckEvidence> {
    let mut lines = vec![program("git", "dev", "install package `git`").await];
    if matches!(site.environment.facts.build, BuildSource::Profile(_)) {
        lines.push(program("cargo", "dev", "install Rust: https://rustup.rs").await);
        lines.push(program("cc", "dev", "install package `gcc`").await);
    }
    if site.environment.database.embedded {
        lines.push(postgres(site));
    }
    lines
}

async fn program(name: &'static str, owner: &'static str, hint: &str) -> CheckEvidence {
    let line = Line::new(name, owner);
    let mut command = tokio::process::Command::new(name);
    command.arg("--version").stdin(Stdio::null()).process_group(0).kill_on_drop(true);
    match tokio::time::timeout(PATIENCE, command.output()).await {
        Ok(Ok(output)) if output.status.success() => {
            let said = String::from_utf8_lossy(&output.stdout);
            line.passed(said.lines().next().unwrap_or(name).to_owned())
        }
        Ok(Ok(output)) => line.failed(format!("`{name}` runs"), output.status.to_string(), hint),
        Ok(Err(error)) => line.failed(format!("`{name}` in PATH"), error.to_string(), hint),
        Err(_) => line.failed(format!("`{name}` answers"), "it hangs", hint),
    }
}

fn postgres(site: &Site) -> CheckEvidence {
    let line = Line::new("postgres", "ops");
    let postgres = site.postgres();
    let found = postgres.find_binaries().and_then(|found| postgres.check_fit(&found).map(|()| found));
    match found {
        Ok(binaries) => line.passed(binaries.version().unwrap_or_else(|| "PostgreSQL".to_owned())),
        Err(error) => {
            let hint = error.hint().unwrap_or_else(|| "install package `postgresql`".to_owned());
            line.failed("PostgreSQL's server programs, fit for the data", crate::error::chain(&error), hint)
        }
    }
}
