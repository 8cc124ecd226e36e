//! Removing releases that nobody can go back to. Whoever removes holds what keeps others away: the supervisor its
//! lock over effects, and without a supervisor the lock that the next one needs.

use phases::release::ReleaseId;

use super::core::Supervisor;
use super::logs::generations;
use super::protocol::{Refusal, RefusalKind};
use super::state::{StateFileError, StoredState};
use crate::state_directory::StateDirectory;

impl Supervisor {
    /// Removes what neither runs nor is in `keep`.
    pub(super) fn retire(&self, keep: &[ReleaseId]) -> Result<String, Refusal> {
        remove(&self.directory, &self.state(), keep)
            .map(|removed| summary(&removed))
            .map_err(|error| Refusal::new(RefusalKind::Failed, error))
    }
}

/// The same while no supervisor runs, after the token was accepted.
///
/// # Errors
/// When a newer run was here or the state cannot be used; the inner one names what cannot be removed.
pub(crate) async fn retire_offline(
    directory: &StateDirectory,
    token: u64,
    keep: &[ReleaseId],
) -> Result<Result<String, String>, StateFileError> {
    let removed = StoredState::change_offline(directory, token, |state| {
        // What died with its supervisor runs no more.
        let mut living = state.clone();
        living.instances.retain(|instance| instance.process.is_alive());
        remove(directory, &living, keep)
    });
    Ok(removed.await?.map(|removed| summary(&removed)))
}

fn remove(
    directory: &StateDirectory,
    state: &StoredState,
    keep: &[ReleaseId],
) -> Result<Vec<ReleaseId>, String> {
    let is_needed = |release: &ReleaseId| {
        keep.contains(release)
            || state.serving.as_ref() == Some(release)
            || state.instances.iter().any(|instance| instance.release == *release)
    };
    let mut removed = Vec::new();
    for release in everything(directory).into_iter().filter(|release| !is_needed(release)) {
        let place = directory.release(&release);
        std::fs::remove_dir_all(&place)
            .map_err(|error| format!("cannot remove `{}`: {error}", place.display()))?;
        for log in generations(&directory.logs().join(format!("{release}.log"))) {
            let _ = std::fs::remove_file(log);
        }
        removed.push(release);
    }
    Ok(removed)
}

fn summary(removed: &[ReleaseId]) -> String {
    match removed.len() {
        0 => "nothing to remove".to_owned(),
        count => format!("{count} removed"),
    }
}

/// Every directory named like a release, complete or not.
fn everything(directory: &StateDirectory) -> Vec<ReleaseId> {
    let Ok(entries) = std::fs::read_dir(directory.releases()) else {
        return Vec::new();
    };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}
