//! Build: make the bytes of the release. Touches nothing that serves.

use crate::engine::step::{Action, Step};
use crate::environment::{BuildSource, Environment, PlatformKind};
use crate::observed::Observed;
use crate::plan::{Intent, Phase, PlannedPhase};
use crate::release::Release;

/// Plans the phase: unchanged when the same inputs have been built before.
pub fn plan(environment: &Environment, release: &Release, observed: &Observed) -> PlannedPhase {
    let phase = Phase::Build;
    if let Some(digest) = &observed.built {
        let because = format!("already built as {}", short(digest));
        return PlannedPhase { phase, intent: Intent::Unchanged { because }, steps: Vec::new() };
    }
    let title = match &environment.build {
        BuildSource::Profile(profile) => format!("compile {} with profile `{profile}`", release.id),
        BuildSource::Artifact(path) => format!("take {} from `{path}`", release.id),
    };
    let because = "content lies beside other releases, unused until it is started";
    let action = Action::BuildBackend { release: release.clone() };
    let mut steps = vec![Step::forward("build.backend", title, action, because)];
    if environment.platform == PlatformKind::Swarm {
        let title = format!("put the image of {} where nodes find it", release.id);
        let action = Action::BuildImage { release: release.clone() };
        let because = "an image lies beside others, unused until it is started";
        steps.push(Step::forward("build.image", title, action, because));
    }
    PlannedPhase { phase, intent: Intent::Run, steps }
}

/// The first 19 characters of a digest: the algorithm and twelve digits.
fn short(digest: &str) -> &str {
    digest.get(..19).unwrap_or(digest)
}
