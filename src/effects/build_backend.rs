//! `BuildBackend`: the bytes of a release in `releases/<id>/`. The same inputs are compiled once only.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use phases::engine::effects::{EffectContext, EffectOutcome, Evidence, Probe, Progress};
use phases::engine::failure::{Failure, FailureClass};
use phases::environment::BuildSource;
use phases::release::Release;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::release_directory::{self, ReleaseFile};
use crate::site::Site;
use crate::source::{MIGRATIONS, Source};
use crate::{compile, terminal};

/// Lines of the compiler's talk that a failure shows.
const LAST_LINES: usize = 30;

/// Is the directory there, whole?
pub(super) fn probe(site: &Site, release: &Release) -> Probe {
    match release_directory::read(&site.state.releases(), &release.id) {
        Some(file) => Probe::Done(evidence(&file, "already built")),
        None => Probe::NotDone,
    }
}

/// Compiles, or takes what was compiled before, and writes the directory.
pub(super) async fn apply(site: &Site, release: &Release, context: &EffectContext<'_>) -> EffectOutcome {
    let source = match site.source() {
        Ok(source) => source,
        Err(error) => return not_done(error.to_string(), "run it inside the checkout"),
    };
    if source.release.id != release.id {
        let message = format!("the checkout gives `{}` now, not `{}`", source.release.id, release.id);
        return not_done(message, "check the commit of the plan out again, then `crmctl resume`");
    }
    if let Err(error) = site.state.ensure() {
        return not_done(error.to_string(), "look at the state directory");
    }
    let started = std::time::Instant::now();
    let (server, how) = match server(site, source, context).await {
        Ok(server) => server,
        Err(failure) => return EffectOutcome::NotDone(failure),
    };
    let migrations = source.checkout.root.join(MIGRATIONS);
    match release_directory::write(&site.state.releases(), release, &server, &migrations) {
        Ok(file) => {
            let took = terminal::seconds(started.elapsed().as_secs_f64());
            EffectOutcome::Done(evidence(&file, &format!("{how} in {took}")))
        }
        Err(error) => {
            not_done(format!("the release cannot be written: {error}"), "make room, then run it again")
        }
    }
}

/// A server with these inputs, and how it was come by.
async fn server(
    site: &Site,
    source: &Source,
    context: &EffectContext<'_>,
) -> Result<(PathBuf, &'static str), Failure> {
    if let Some(artifact) = &source.artifact {
        return Ok((artifact.clone(), "prebuilt"));
    }
    if let Some(server) = release_directory::find_by_inputs(&site.state.releases(), &source.release.inputs) {
        return Ok((server, "same inputs as an earlier release"));
    }
    let kind = &site.environment.facts.build;
    compile(&source.checkout.root, kind, context).await?;
    Ok((target_directory(&source.checkout.root).join(compile::output(kind)), "compiled"))
}

async fn compile(root: &Path, source: &BuildSource, context: &EffectContext<'_>) -> Result<(), Failure> {
    let mut command = tokio::process::Command::new("cargo");
    command.args(compile::flags(source)).current_dir(root).env("CARGO_TERM_COLOR", "never");
    if let Some(flags) = compile::rustflags(source) {
        command.env("RUSTFLAGS", flags);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| {
        Failure::new(FailureClass::Failed, format!("`cargo` cannot be run: {error}"))
            .hint("install Rust: https://rustup.rs")
    })?;
    let talk = child.stderr.take().expect("stderr is piped");
    let mut lines = BufReader::new(talk).lines();
    let mut last = std::collections::VecDeque::new();
    while let Ok(Some(line)) = lines.next_line().await {
        (context.progress)(Progress::Message(line.trim().to_owned()));
        last.push_back(line);
        if last.len() > LAST_LINES {
            last.pop_front();
        }
    }
    let status = child.wait().await.map_err(|error| Failure::new(FailureClass::Failed, error.to_string()))?;
    if status.success() {
        return Ok(());
    }
    let message = format!("`cargo {}` failed ({status})", compile::flags(source).join(" "));
    Err(Failure::new(FailureClass::Failed, message).hint("mend what the compiler says").detail(last))
}

/// Where cargo writes: as it decides itself.
fn target_directory(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |directory| root.join(directory))
}

fn evidence(file: &ReleaseFile, how: &str) -> Evidence {
    Evidence {
        summary: how.to_owned(),
        facts: serde_json::json!({ "release": file.id, "digest": file.digest, "inputs": file.inputs }),
        checks: Vec::new(),
    }
}

fn not_done(message: String, hint: &str) -> EffectOutcome {
    EffectOutcome::NotDone(Failure::new(FailureClass::Failed, message).hint(hint))
}
