//! Releases that may serve at any moment: what runs, and what one goes back to; with the schema each of them
//! needs. What cannot be read refuses: nobody may guess that nothing is needed.

use std::collections::BTreeMap;

use phases::engine::platform::PlatformState;
use phases::observed::{KnownRelease, Observed};
use phases::release::{ReleaseId, ReleaseState};

use crate::error::Error;
use crate::observe::remembered;
use crate::release_directory::ReleaseFile;
use crate::site::Site;

/// A release that may serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its name.
    pub id: ReleaseId,
    /// Its `release.json`; absent when that cannot be read.
    file: Option<ReleaseFile>,
}

/// All of them.
///
/// # Errors
/// The platform or the journal cannot be read.
pub async fn read(site: &Site) -> Result<Vec<Candidate>, Error> {
    of(site, &remembered(site).await?.1).await
}

/// All of them, as journal and platform know them.
///
/// # Errors
/// The engine that keeps their `release.json` cannot be asked.
pub async fn of(site: &Site, observed: &Observed) -> Result<Vec<Candidate>, Error> {
    let mut all = Vec::new();
    for id in ids(&observed.platform, &observed.releases) {
        all.push(Candidate { file: site.release_file(&id).await?, id });
    }
    Ok(all)
}

/// What serves or runs, be its directory gone, and good releases that are still present.
fn ids(state: &PlatformState, known: &[KnownRelease]) -> Vec<ReleaseId> {
    let running = state.serving.iter().chain(state.instances.iter().map(|instance| &instance.release));
    let good = known.iter().filter(|release| release.state == ReleaseState::Good).map(|release| &release.id);
    let all = running.chain(good.filter(|id| state.present.contains(id)));
    let unique: BTreeMap<&ReleaseId, ()> = all.map(|id| (id, ())).collect();
    unique.into_keys().cloned().collect()
}

impl Candidate {
    /// It was made with this migration, or nobody can tell.
    pub fn may_need(&self, version: i64) -> bool {
        self.file.as_ref().is_none_or(|file| file.migrations.iter().any(|one| one.version == version))
    }

    /// Its newest migration is older than `version`, or nobody can tell.
    pub fn may_be_older_than(&self, version: i64) -> bool {
        self.file.as_ref().is_none_or(|file| file.needs_schema < version)
    }
}

impl std::fmt::Display for Candidate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.file {
            Some(_) => write!(f, "{}", self.id),
            None => write!(f, "{} (its release.json cannot be read)", self.id),
        }
    }
}

#[cfg(test)]
mod tests {
    use phases::engine::platform::{Instance, Role};

    use super::*;

    fn id(n: u8) -> ReleaseId {
        ReleaseId::new(&format!("{n:02x}").repeat(20), false, &format!("{n:08x}")).unwrap()
    }

    fn known(n: u8, state: ReleaseState) -> KnownRelease {
        let text = String::new;
        KnownRelease { id: id(n), commit: text(), digest: text(), state, at: text(), reason: None }
    }

    #[test]
    fn what_serves_counts_even_when_its_directory_is_gone_and_what_nobody_goes_back_to_does_not() {
        let state = PlatformState {
            instances: vec![Instance { release: id(2), role: Role::Draining, since: String::new() }],
            serving: Some(id(1)),
            present: vec![id(2), id(3), id(4), id(6)],
            ..PlatformState::default()
        };
        let (good, blocked) = (ReleaseState::Good, ReleaseState::Blocked);
        let known = [known(3, good), known(4, blocked), known(5, good)];
        assert_eq!(ids(&state, &known), [id(1), id(2), id(3)]);
    }

    #[test]
    fn what_cannot_be_read_may_need_anything() {
        let unreadable = Candidate { id: id(1), file: None };
        assert!(unreadable.may_need(16) && unreadable.may_be_older_than(1));
        assert!(unreadable.to_string().contains("cannot be read"));
    }
}
