//! The supervisor's state as the engine reads it.

use phases::engine::platform::{Instance, PlatformState, PlatformUnreadable, Role};
use phases::release::ReleaseId;

use super::unreadable;
use crate::state_directory::StateDirectory;
use crate::supervisor::state::{StoredInstance, StoredState};

pub(super) fn platform_state(
    directory: &StateDirectory,
    stored: StoredState,
) -> Result<PlatformState, PlatformUnreadable> {
    let mut instances = stored.instances;
    // Of a release that came back while it still drains, the one that serves is told first.
    instances.sort_by_key(|instance| instance.role == Role::Draining);
    let instances = instances
        .into_iter()
        .filter(is_shown)
        .map(|instance| Instance { release: instance.release, role: instance.role, since: instance.since })
        .collect();
    Ok(PlatformState {
        foreign: Vec::new(),
        instances,
        serving: stored.serving,
        previous: stored.previous,
        present: present(directory).map_err(unreadable)?,
        token: stored.token,
    })
}

/// What lives, and what serves and is about to be started again: without its program it cannot be.
fn is_shown(instance: &StoredInstance) -> bool {
    let comes_back = || instance.role == Role::Serving && instance.directory.join("crm-server").is_file();
    instance.process.is_alive() || comes_back()
}

/// Releases whose program and description lie in the state directory, in the order of their names.
pub(super) fn present(directory: &StateDirectory) -> Result<Vec<ReleaseId>, std::io::Error> {
    let entries = match std::fs::read_dir(directory.releases()) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut found: Vec<ReleaseId> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|id| {
            let place = directory.release(id);
            place.join("crm-server").is_file() && place.join("release.json").is_file()
        })
        .collect();
    found.sort();
    Ok(found)
}
