//! Removing releases that nobody can go back to.

use phases::engine::effects::{EffectOutcome, Evidence};
use phases::engine::failure::{Failure, FailureClass};
use phases::engine::platform::PlatformState;
use phases::release::ReleaseId;
use serde_json::json;

use crate::state_directory::StateDirectory;
use crate::supervisor::logs::generations;

pub(super) fn retire(directory: &StateDirectory, state: &PlatformState, keep: &[ReleaseId]) -> EffectOutcome {
    let is_needed = |release: &ReleaseId| {
        keep.contains(release)
            || state.serving.as_ref() == Some(release)
            || state.instances.iter().any(|instance| instance.release == *release)
    };
    let mut removed = Vec::new();
    for release in everything(directory).iter().filter(|release| !is_needed(release)) {
        let place = directory.release(release);
        if let Err(error) = std::fs::remove_dir_all(&place) {
            let message = format!("cannot remove `{}`: {error}", place.display());
            return EffectOutcome::NotDone(Failure::new(FailureClass::Failed, message));
        }
        for log in generations(&directory.logs().join(format!("{release}.log"))) {
            let _ = std::fs::remove_file(log);
        }
        removed.push(release.to_string());
    }
    let summary = match removed.len() {
        0 => "nothing to remove".to_owned(),
        count => format!("{count} removed"),
    };
    EffectOutcome::Done(Evidence { summary, facts: json!({ "removed": removed }), checks: Vec::new() })
}

/// Every directory named like a release, complete or not.
fn everything(directory: &StateDirectory) -> Vec<ReleaseId> {
    let Ok(entries) = std::fs::read_dir(directory.releases()) else {
        return Vec::new();
    };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}
