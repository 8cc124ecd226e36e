//! `crmctl deploy`, `plan` and `rollback`: what was typed as a request.

use std::path::Path;

use phases::plan::Phase;
use phases::request::{Request, Skip};

use super::{Context, run};
use crate::cli::{DeployArgs, PhaseName, RollbackArgs};
use crate::error::{Error, Exit};
use crate::platform::AnyPlatform;
use crate::release_directory::{self, ReleaseFile};
use crate::site::Needs;
use crate::source::MIGRATIONS;

/// The pipeline, or the part of it that was asked for.
///
/// # Errors
/// What refuses the run.
pub(super) async fn command(
    context: &Context,
    arguments: &DeployArgs,
    only_plan: bool,
) -> Result<Exit, Error> {
    let reason = arguments.reason.clone().unwrap_or_default();
    if !arguments.skip.is_empty() && reason.trim().is_empty() {
        return Err(
            Error::usage("`--skip` needs a reason").hint("add `--reason \"why\"`; it goes into the journal")
        );
    }
    if let Some(file) = &arguments.release {
        import(context, &arguments.on.environment, file)?;
    }
    let mut request = Request::deploy();
    request.adopt = arguments.adopt;
    request.from = arguments.from.map(phase);
    request.only = arguments.only.iter().copied().map(phase).collect();
    request.skip =
        arguments.skip.iter().map(|name| Skip { phase: phase(*name), reason: reason.clone() }).collect();
    run::command(context, &arguments.on.environment, request, only_plan).await
}

/// Takes over what was built elsewhere, if it is what this checkout would build.
fn import(context: &Context, name: &str, path: &Path) -> Result<(), Error> {
    let shown = path.display();
    let text = std::fs::read(path).map_err(|error| Error::usage(format!("`--release {shown}`: {error}")))?;
    let file: ReleaseFile = serde_json::from_slice(&text).map_err(|error| {
        Error::refused(format!("`{shown}` is no release.json: {error}"))
            .hint("take it from `releases/<id>/` of the state directory that built it")
    })?;
    let site = context.site(name, Needs::Source)?;
    site.environment.require_secrets()?;
    let source = site
        .source()
        .map_err(|error| Error::refused(error.message.clone()).maybe_hint(error.hint.clone()))?;
    let release = &source.release.id;
    if file.schema != 1 || file.id != release.as_str() {
        let message = format!("`{shown}` is of release {}, and this checkout gives {release}", file.id);
        return Err(Error::refused(message).hint(format!(
            "check commit {} out; environment file and secrets are those of the build, too",
            file.commit
        )));
    }
    if file.image.is_none() || !matches!(site.platform, AnyPlatform::Swarm(_)) {
        return Err(Error::refused(format!("`{shown}` names no image that `{name}` could run"))
            .hint("build it for an environment on a swarm, or hand the whole `releases/<id>` on"));
    }
    let written = |error: &dyn std::error::Error| {
        Error::refused(format!("the release cannot be written: {error}")).hint("look at the state directory")
    };
    site.state.ensure().map_err(|error| written(&error))?;
    let migrations = source.checkout.root.join(MIGRATIONS);
    release_directory::import(&site.state.releases(), release, &file, &migrations)
        .map_err(|error| written(&error))
}

/// Back to an earlier release.
///
/// # Errors
/// What refuses the run.
pub(super) async fn rollback(context: &Context, arguments: &RollbackArgs) -> Result<Exit, Error> {
    let to = arguments.to.as_deref().map(str::parse).transpose().map_err(|error| {
        Error::usage(format!("`--to`: {error}"))
            .hint(format!("run `crmctl status {}` to see the releases", arguments.on.environment))
    })?;
    let (name, run) = (&arguments.on.environment, arguments.run.as_ref());
    run::rollback(context, name, Request::rollback(to), arguments.plan, run).await
}

const fn phase(name: PhaseName) -> Phase {
    match name {
        PhaseName::Preflight => Phase::Preflight,
        PhaseName::Build => Phase::Build,
        PhaseName::Migrate => Phase::Migrate,
        PhaseName::Deploy => Phase::Deploy,
        PhaseName::Smoke => Phase::Smoke,
        PhaseName::Perf => Phase::Perf,
    }
}
