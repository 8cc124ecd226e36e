//! Does the registry let this environment in? Asked by the engine, which is who pushes and pulls.

use phases::engine::failure::CheckEvidence;

use super::Line;
use crate::platform::swarm::SwarmPlatform;
use crate::site::Site;

/// A tag that nobody has: what is asked is who answers, not what is there.
const NOBODYS: &str = "crmctl-preflight";

/// One line; none without a registry, but for what that means.
pub async fn ask(site: &Site, platform: &SwarmPlatform) -> Vec<CheckEvidence> {
    let line = Line::new("registry", "ops");
    let images = site.images(platform.engine().clone());
    let Some(registry) = &images.registry else {
        return vec![line.passed("none: images are given to the engine, whose swarm has one node")];
    };
    let repository = &registry.repository;
    let asked = images.engine.registry_has(&format!("{repository}:{NOBODYS}"), registry.login.as_ref()).await;
    vec![match asked {
        Ok(_) => line.passed(format!("`{repository}` lets us in")),
        Err(error) => {
            let failure = registry.failure(&error);
            line.failed(
                format!("`{repository}` lets us in"),
                failure.message,
                failure.hint.unwrap_or_default(),
            )
        }
    }]
}
