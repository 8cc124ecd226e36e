//! The world as it was read before planning. Plain data: reading it is the caller's work.

use serde::{Deserialize, Serialize};

use crate::engine::platform::{Instance, PlatformState, Role};
use crate::release::{ReleaseId, ReleaseState};

/// A release that some run brought to an end worth remembering.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownRelease {
    /// Its name.
    pub id: ReleaseId,
    /// Its whole commit.
    pub commit: String,
    /// Content digest, `sha256:…`.
    pub digest: String,
    /// What was decided, and stands.
    pub state: ReleaseState,
    /// When it was decided (RFC 3339).
    pub at: String,
    /// Why, when blocked.
    pub reason: Option<String>,
}

/// What is known of the database before a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum DatabaseState {
    /// The private server does not exist or does not run; migrate starts it.
    Absent,
    /// It answers.
    Ready {
        /// Applied versions, ascending.
        applied: Vec<i64>,
        /// The seed has been put in.
        seeded: bool,
    },
    /// It should answer and does not.
    Unreachable {
        /// What the driver said.
        reason: String,
    },
}

/// A perf verdict that an unchanged deploy may reuse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerfVerdict {
    /// Run that measured it.
    pub run: String,
    /// Release (digest and configuration) it holds for.
    pub release: ReleaseId,
    /// What was asked: the perf table of the environment, as canonical JSON.
    pub asked: String,
}

/// A run that stands in the way of the next one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Blockage {
    /// It began to change things and has no end.
    Unfinished {
        /// Which.
        run: String,
        /// Its verb.
        verb: String,
    },
    /// Going back failed too; a person has to say that it is settled.
    Stuck {
        /// Which.
        run: String,
        /// Its verb.
        verb: String,
    },
}

/// Everything planning may look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// What the platform runs.
    pub platform: PlatformState,
    /// Releases with a decision, oldest first (folded from the journal).
    pub releases: Vec<KnownRelease>,
    /// Good releases in the order in which one goes back through them, oldest first (folded from the journal).
    pub trail: Vec<ReleaseId>,
    /// An unfinished or stuck run (folded from the journal).
    pub blockage: Option<Blockage>,
    /// The wanted release is already built: its content digest.
    pub built: Option<String>,
    /// The database.
    pub database: DatabaseState,
    /// Applied versions that do not fit the files any more: edited, missing, out of order. Migrate refuses them.
    pub drifted: Vec<i64>,
    /// The jobs' stored flag: running or not; absent when nothing serves.
    pub jobs_started: Option<bool>,
    /// Last good perf verdict.
    pub perf: Option<PerfVerdict>,
}

impl Observed {
    /// The release that has the public address and is alive.
    pub fn alive(&self) -> Option<&ReleaseId> {
        let serving = self.platform.serving.as_ref()?;
        let alive = |i: &Instance| i.role == Role::Serving && &i.release == serving;
        self.platform.instances.iter().any(alive).then_some(serving)
    }

    /// What runs without traffic although no run is under way: a stuck run has left it. `wanted` is about to be
    /// started, and would be adopted.
    pub fn leftovers(&self, wanted: &ReleaseId) -> Vec<ReleaseId> {
        let idle = |i: &&Instance| i.role == Role::Candidate && &i.release != wanted;
        let mut ids: Vec<_> =
            self.platform.instances.iter().filter(idle).map(|i| i.release.clone()).collect();
        ids.retain(|id| self.alive() != Some(id));
        ids.sort();
        ids.dedup();
        ids
    }

    /// What was decided about a release.
    pub fn known(&self, id: &ReleaseId) -> Option<&KnownRelease> {
        self.releases.iter().find(|release| &release.id == id)
    }

    /// It could be started: its content is on the platform.
    pub fn is_present(&self, id: &ReleaseId) -> bool {
        self.platform.present.contains(id)
    }
}
