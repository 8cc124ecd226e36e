//! Both sides of a switch that could not be taken back: who answers users now, who does not, and what both said last.
//! It is what a person reads first who is called to a stuck environment.

use phases::engine::effects::{EffectOutcome, Probe};
use phases::engine::failure::{Failure, FailureClass};
use phases::release::ReleaseId;

use crate::site::Site;

/// Log lines told of each side.
const LAST_LINES: usize = 10;

/// The outcome of going back from `from` to `to`; one that failed tells of both.
pub(super) async fn described(
    site: &Site,
    outcome: EffectOutcome,
    to: Option<&ReleaseId>,
    from: &ReleaseId,
) -> EffectOutcome {
    match outcome {
        EffectOutcome::Done(evidence) => EffectOutcome::Done(evidence),
        EffectOutcome::NotDone(failure) => EffectOutcome::NotDone(with_sides(site, failure, to, from).await),
        EffectOutcome::Unknown(failure) => EffectOutcome::Unknown(with_sides(site, failure, to, from).await),
    }
}

async fn with_sides(site: &Site, failure: Failure, to: Option<&ReleaseId>, from: &ReleaseId) -> Failure {
    if failure.class == FailureClass::LeaseLost {
        return failure;
    }
    // What the platform told of the side that did not come up stands before all else.
    let mut lines = Vec::new();
    for release in [Some(from), to].into_iter().flatten() {
        lines.push(side(site, release).await);
        let last = site.platform.last_lines_of(release, LAST_LINES).await;
        if !last.is_empty() {
            lines.push(format!("the last lines of {release}:"));
            lines.extend(last);
        }
    }
    failure.detail(lines)
}

/// What users find of one release.
async fn side(site: &Site, release: &ReleaseId) -> String {
    match site.platform.probe_serving(release).await {
        Probe::Done(_) => format!("release {release} has the public address and answers"),
        Probe::NotDone => format!("release {release} does not have the public address"),
        Probe::Unknown(failure) => failure.message,
    }
}
