//! May this release be deployed at all?

use phases::engine::failure::CheckEvidence;
use phases::release::ReleaseState;

use super::Line;
use crate::site::Site;
use crate::source::Source;

/// A release that a check or a person rejected stays out.
pub async fn ask(site: &Site, source: &Source) -> Vec<CheckEvidence> {
    let line = Line::new("release", "dev");
    let id = &source.release.id;
    let known = match site.known_releases().await {
        Ok(known) => known,
        Err(error) => {
            let hint = format!("run `crmctl status {}`", site.environment.facts.name);
            return vec![line.failed("a readable journal", error.to_string(), hint)];
        }
    };
    let blocked = known.iter().find(|release| release.id == *id && release.state == ReleaseState::Blocked);
    vec![match blocked {
        Some(release) => line.failed(
            format!("`{id}` is not blocked"),
            format!("blocked: {}", release.reason.as_deref().unwrap_or("no reason given")),
            "mend it and commit: a new commit is a new release",
        ),
        None => line.passed(id.to_string()),
    }]
}
