//! What may still be done while there are mistakes in the operator's secrets. Looks at files only.

use phases::engine::step::Action;
use phases::plan::{Phase, Plan};
use phases::release::ReleaseId;
use phases::request::{Request, Verb};

use super::Site;
use crate::error::Error;
use crate::platform::AnyPlatform;

/// What a release was started with, in its directory.
const STORED_ENVIRONMENT: &str = "environment";

/// Refuses a request that would build, migrate, check or start anything with other values than the operator means.
/// Preflight goes on and tells these mistakes with all others; a rollback starts what was started before.
///
/// # Errors
/// Every mistake in the secrets.
pub fn before_planning(site: &Site, request: &Request) -> Result<(), Error> {
    match request.verb {
        Verb::Phase(Phase::Preflight | Phase::Rollback) => Ok(()),
        Verb::Phase(_) | Verb::Pipeline => site.environment.require_secrets(),
    }
}

/// Refuses a plan that starts a release whose environment is neither stored nor to be had.
///
/// # Errors
/// Every mistake in the secrets.
pub fn before_running(site: &Site, plan: &Plan) -> Result<(), Error> {
    plan.steps().try_for_each(|step| match &step.action {
        Action::StartRelease { release } => require_environment_of(site, release),
        _ => Ok(()),
    })
}

/// A release that was started before has its environment stored beside it and needs nothing of what is written now:
/// at three in the morning a rollback must not wait for a typing error.
fn require_environment_of(site: &Site, release: &ReleaseId) -> Result<(), Error> {
    match site.platform {
        AnyPlatform::Process(_) if site.state.release(release).join(STORED_ENVIRONMENT).is_file() => Ok(()),
        AnyPlatform::Process(_) => site.environment.require_secrets(),
        // The engine keeps it; a release that it does not know is refused when it is told of it.
        AnyPlatform::Swarm(_) => Ok(()),
    }
}
