//! `StopLeftovers`: what a stuck run has left running without traffic. What serves is never stopped.

use phases::engine::effects::{EffectContext, EffectOutcome, Evidence};
use phases::engine::platform::Platform;
use phases::release::ReleaseId;

use crate::site::Site;

/// Stops them one after the other; the first that does not stop says why.
pub(super) async fn apply(site: &Site, releases: &[ReleaseId], context: &EffectContext<'_>) -> EffectOutcome {
    for release in releases {
        let outcome = site.platform.stop(release, context).await;
        if !matches!(outcome, EffectOutcome::Done(_)) {
            return outcome;
        }
    }
    let names = releases.iter().map(ReleaseId::as_str).collect::<Vec<_>>().join(", ");
    EffectOutcome::Done(Evidence { summary: format!("{names} stopped"), ..Evidence::default() })
}
