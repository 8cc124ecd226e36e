//! `StartRelease`: a release beside what serves. A swarm is first told what it takes to run it, once: what it was told stays with
//! the engine, so that going back needs nothing else.

use phases::engine::effects::{EffectContext, EffectOutcome};
use phases::engine::failure::{Failure, FailureClass};
use phases::engine::platform::Platform;
use phases::release::ReleaseId;

use crate::error::chain;
use crate::platform::AnyPlatform;
use crate::platform::swarm::SwarmPlatform;
use crate::site::Site;

/// Provides and starts it.
pub(super) async fn apply(site: &Site, release: &ReleaseId, context: &EffectContext<'_>) -> EffectOutcome {
    if let AnyPlatform::Swarm(platform) = &site.platform
        && let Some(undone) = provide(site, platform, release, context.token).await
    {
        return undone;
    }
    site.platform.start(release, context).await
}

/// What kept the content from getting there, if anything.
async fn provide(
    site: &Site,
    platform: &SwarmPlatform,
    release: &ReleaseId,
    token: u64,
) -> Option<EffectOutcome> {
    match platform.record(release).await {
        Ok(Some(_)) => return None,
        Ok(None) => {}
        Err(error) => {
            let failure = Failure::new(FailureClass::Failed, chain(&error)).hint(error.hint());
            return Some(EffectOutcome::NotDone(failure));
        }
    }
    let content = match site.content(release) {
        Ok(content) => content,
        Err(error) => return Some(EffectOutcome::NotDone(super::refusal(&error))),
    };
    match platform.provide(&content.record, &content.secrets, token).await {
        EffectOutcome::Done(_) => None,
        other => Some(other),
    }
}
