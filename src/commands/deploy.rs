//! `crmctl deploy`, `plan` and `rollback`: what was typed as a request.

use phases::plan::Phase;
use phases::request::{Request, Skip};

use super::{Context, run};
use crate::cli::{DeployArgs, PhaseName, RollbackArgs};
use crate::error::{Error, Exit};

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
    let mut request = Request::deploy();
    request.adopt = arguments.adopt;
    request.from = arguments.from.map(phase);
    request.only = arguments.only.iter().copied().map(phase).collect();
    request.skip =
        arguments.skip.iter().map(|name| Skip { phase: phase(*name), reason: reason.clone() }).collect();
    run::command(context, &arguments.on.environment, request, only_plan).await
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
