//! `BuildBackend`: the bytes of a release in `releases/<id>/`. The same inputs are compiled once only.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use phases::engine::effects::{EffectContext, EffectOutcome, Evidence, Probe, Progress};
use phases::engine::failure::{Failure, FailureClass};
use phases::environment::BuildSource;
use phases::release::Release;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{ChildStderr, ChildStdout, Command};
use tokio::time::timeout;

use crate::child::OwnGroup;
use crate::error::chain;
use crate::release_directory::{self, Fresh, ReleaseFile};
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
    let started = std::time::Instant::now();
    match build(site, release, context).await {
        Ok((file, how)) => {
            let took = terminal::seconds(started.elapsed().as_secs_f64());
            EffectOutcome::Done(evidence(&file, &format!("{how} in {took}")))
        }
        Err(failure) => EffectOutcome::NotDone(failure),
    }
}

async fn build(
    site: &Site,
    release: &Release,
    context: &EffectContext<'_>,
) -> Result<(ReleaseFile, &'static str), Failure> {
    let source = site.source().map_err(super::refusal)?;
    if source.release.id != release.id {
        let message = format!("the checkout gives `{}` now, not `{}`", source.release.id, release.id);
        return Err(failed(message).hint("check the commit of the plan out again, then `crmctl resume`"));
    }
    site.state.ensure().map_err(|error| {
        failed(chain(&error)).hint(error.hint().unwrap_or_else(|| "look at the state directory".to_owned()))
    })?;
    let releases = site.state.releases();
    release_directory::remove_abandoned(&releases);
    let (server, how) = server(site, source, context).await?;
    unchanged(site, source)?;
    let written = Fresh::fill(&releases, release, &server, &source.checkout.root.join(MIGRATIONS));
    let fresh = written.map_err(|error| unwritten(&error))?;
    // Invariant: nothing gets the id of a release that was read from files of another one.
    unchanged(site, source)?;
    let file = fresh.put_in_place().map_err(|error| unwritten(&error))?;
    Ok((file, how))
}

/// Reads the checkout again: the compiler and the copy have read it after the id was made.
fn unchanged(site: &Site, source: &Source) -> Result<(), Failure> {
    let facts = &site.environment.facts;
    let now = Source::read(source.checkout.clone(), facts).map_err(|error| super::refusal(&error))?;
    if now.release.id == source.release.id {
        return Ok(());
    }
    let message = format!(
        "the checkout changed during the build: it gives `{}` now, not `{}`",
        now.release.id, source.release.id
    );
    let hint =
        format!("run `crmctl deploy {}` again and leave the files alone until it is built", facts.name);
    Err(Failure::new(FailureClass::Refused, message).hint(hint))
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
    let server = compile(site, &source.checkout.root, context).await?;
    Ok((server, "compiled"))
}

/// Runs cargo and gives the place of the server, as cargo names it. Past its deadline it is ended with everything that
/// it started.
async fn compile(site: &Site, root: &Path, context: &EffectContext<'_>) -> Result<PathBuf, Failure> {
    let (source, deadline) = (&site.environment.facts.build, site.environment.build_deadline);
    let mut cargo = OwnGroup::start(&mut cargo(root, source)).map_err(|error| {
        failed(format!("`cargo` cannot be run: {error}")).hint("install Rust: https://rustup.rs")
    })?;
    let (stdout, stderr) = (cargo.stdout(), cargo.stderr());
    let mut last = VecDeque::new();
    let built = async {
        let (server, ()) = tokio::join!(named_server(stdout), last_lines(stderr, &mut last, context));
        cargo.wait().await.map(|status| (server, status))
    };
    let said = compile::flags(source).join(" ");
    let Ok(built) = timeout(deadline, built).await else {
        let name = &site.environment.facts.name;
        let message = format!("`cargo {said}` was not done after {} s and was ended", deadline.as_secs());
        let hint = format!(
            "see what keeps it from being done, or allow more: `[build] deadline_seconds` in config/environments/{name}.toml"
        );
        return Err(failed(message).hint(hint).detail(last));
    };
    let (server, status) = built.map_err(|error| failed(format!("`cargo`: {error}")))?;
    if !status.success() {
        let message = format!("`cargo {said}` failed ({status})");
        return Err(failed(message).hint("mend what the compiler says").detail(last));
    }
    let message = || failed(format!("`cargo {said}` went through and named no `crm-server`")).detail(last);
    server.ok_or_else(message)
}

fn cargo(root: &Path, source: &BuildSource) -> Command {
    let mut command = Command::new("cargo");
    command.args(compile::flags(source)).arg(compile::MESSAGES).current_dir(root);
    command.env("CARGO_TERM_COLOR", "never");
    if let Some(flags) = compile::rustflags(source) {
        command.env("RUSTFLAGS", flags);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

async fn named_server(stdout: Option<ChildStdout>) -> Option<PathBuf> {
    let mut lines = BufReader::new(stdout?).lines();
    let mut server = None;
    while let Ok(Some(line)) = lines.next_line().await {
        server = compile::executable(&line).or(server);
    }
    server
}

async fn last_lines(stderr: Option<ChildStderr>, last: &mut VecDeque<String>, context: &EffectContext<'_>) {
    let Some(stderr) = stderr else { return };
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        (context.progress)(Progress::Message(line.trim().to_owned()));
        last.push_back(line);
        if last.len() > LAST_LINES {
            last.pop_front();
        }
    }
}

fn evidence(file: &ReleaseFile, how: &str) -> Evidence {
    Evidence {
        summary: how.to_owned(),
        facts: serde_json::json!({ "release": file.id, "digest": file.digest, "inputs": file.inputs }),
        checks: Vec::new(),
    }
}

fn failed(message: String) -> Failure {
    Failure::new(FailureClass::Failed, message)
}

fn unwritten(error: &std::io::Error) -> Failure {
    let hint = match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => "make room, then run it again",
        _ => "look at the state directory, then run it again",
    };
    failed(format!("the release cannot be written: {error}")).hint(hint)
}
