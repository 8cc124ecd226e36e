//! A step: one action on the world, with the way back. Closed enums, so that a plan can be printed,
//! journaled and run by any operator.

use serde::{Deserialize, Serialize};

use crate::release::{Release, ReleaseId};

/// Name of a step: `phase.word`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(pub String);

impl std::fmt::Display for StepId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a suite or a load is aimed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Subject {
    /// The release's private socket, before it has traffic.
    Candidate {
        /// Which.
        release: ReleaseId,
    },
    /// The address users call, expecting this release to answer.
    Public {
        /// Which; absent when whatever serves is meant.
        release: Option<ReleaseId>,
    },
}

/// What preflight asks; one step each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Requirement {
    /// Branch, upstream, clean tree, conflict markers.
    Source,
    /// Migration files: numbered, complete, the required ones present.
    Migrations,
    /// Packages of the backend in the lock file.
    Dependencies,
    /// Programs and their versions.
    Tools,
    /// Free space.
    Disk,
    /// Who holds the ports.
    Ports,
    /// The engine can be reached, is a swarm, and has the environment's edge.
    Engine,
    /// The registry takes images from here.
    Registry,
    /// The secrets file: complete, private, no placeholders.
    Secrets,
    /// The database server can be reached or started.
    Database,
    /// The release asked for is not blocked.
    Release,
}

/// Everything a step can do to the world.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum Action {
    /// Ask one requirement.
    Require {
        /// Which.
        requirement: Requirement,
    },
    /// Build the server and write the release directory with `release.json`. Its evidence carries the content
    /// digest as the fact `digest`.
    BuildBackend {
        /// What to build.
        release: Release,
    },
    /// Put the image of a built release together and give it to the engine, and to the registry where there is one.
    BuildImage {
        /// Of which.
        release: Release,
    },
    /// Start the private PostgreSQL, make roles, database, extensions, fence.
    EnsureDatabase,
    /// Apply these migrations of the release.
    Migrate {
        /// Whose files.
        release: ReleaseId,
        /// Versions expected to be pending, ascending.
        versions: Vec<i64>,
    },
    /// Put in the first accounts and data.
    Seed {
        /// Whose server program knows the seed.
        release: ReleaseId,
    },
    /// Start a release beside what serves, without traffic.
    StartRelease {
        /// Which.
        release: ReleaseId,
    },
    /// Wait until it says it is ready and answers with its own id.
    AwaitReady {
        /// Which.
        release: ReleaseId,
    },
    /// Run a suite of checks.
    RunSuite {
        /// Name of the suite.
        suite: String,
        /// At what.
        subject: Subject,
    },
    /// Give the public address to a release; what served before drains.
    ShiftTraffic {
        /// New.
        to: ReleaseId,
        /// Old.
        from: Option<ReleaseId>,
        /// It has served before and was good: what only a new release has to prove is left out.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        back: bool,
    },
    /// Stop releases that an earlier run has left running without traffic.
    StopLeftovers {
        /// Which.
        releases: Vec<ReleaseId>,
    },
    /// Turn the background jobs on.
    StartJobs,
    /// Remove releases that nobody can go back to any more.
    RetireReleases {
        /// Those that stay.
        keep: Vec<ReleaseId>,
    },
    /// Run load and judge its figures by thresholds.
    RunLoad {
        /// Suite whose requests are the mix.
        suite: String,
        /// Requests per second.
        rate: u32,
        /// Seconds.
        duration_seconds: u32,
        /// Thresholds required.
        require: Vec<String>,
        /// Hash over the suite and the thresholds required.
        #[serde(default)]
        files: String,
        /// At what.
        subject: Subject,
    },
}

impl Action {
    /// It only looks: it has no lasting effect to probe, and an interruption may drop it half-way.
    pub const fn is_observation(&self) -> bool {
        matches!(
            self,
            Self::Require { .. } | Self::AwaitReady { .. } | Self::RunSuite { .. } | Self::RunLoad { .. }
        )
    }

    /// Its effect lives in processes and ends with them, so an adopted run looks again.
    pub const fn can_lapse(&self) -> bool {
        matches!(self, Self::EnsureDatabase | Self::StartRelease { .. } | Self::ShiftTraffic { .. })
    }

    /// The release that is expected to answer, when the action asks one.
    pub const fn asks(&self) -> Option<&ReleaseId> {
        match self {
            Self::RunSuite { subject, .. } | Self::RunLoad { subject, .. } => match subject {
                Subject::Candidate { release } => Some(release),
                Subject::Public { release } => release.as_ref(),
            },
            _ => None,
        }
    }

    /// An interruption may drop it half-way: it only looks, or what it leaves behind is in nobody's use.
    pub const fn is_droppable(&self) -> bool {
        self.is_observation() || matches!(self, Self::BuildBackend { .. } | Self::BuildImage { .. })
    }

    /// It only makes ready or clears away: no user can tell whether it happened.
    pub const fn is_preparation(&self) -> bool {
        let silent = matches!(
            self,
            Self::BuildBackend { .. }
                | Self::BuildImage { .. }
                | Self::EnsureDatabase
                | Self::StopLeftovers { .. }
        );
        self.is_observation() || silent
    }
}

/// The way back from an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "undo")]
pub enum Undo {
    /// Nothing to take back: the action only looked.
    Nothing,
    /// Stays by design.
    ForwardOnly {
        /// Why that is safe.
        because: String,
    },
    /// Stop a release that was started.
    StopRelease {
        /// Which.
        release: ReleaseId,
    },
    /// Make `to` serve again (started anew when it is gone); with nothing before, stop serving.
    RestoreTraffic {
        /// What served before.
        to: Option<ReleaseId>,
        /// What serves by the action to undo.
        from: ReleaseId,
    },
}

impl Undo {
    /// There is something to take back.
    pub const fn acts(&self) -> bool {
        matches!(self, Self::StopRelease { .. } | Self::RestoreTraffic { .. })
    }
}

/// One line of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// `phase.word`, unique in a plan.
    pub id: StepId,
    /// One line for people.
    pub title: String,
    /// What it does.
    pub action: Action,
    /// How it is taken back.
    pub undo: Undo,
}

impl Step {
    /// A step that is taken back by `undo`.
    pub(crate) fn new(id: &str, title: impl Into<String>, action: Action, undo: Undo) -> Self {
        Self { id: StepId(id.to_owned()), title: title.into(), action, undo }
    }

    /// A step that only looks.
    pub(crate) fn look(id: &str, title: impl Into<String>, action: Action) -> Self {
        Self::new(id, title, action, Undo::Nothing)
    }

    /// A step whose effect stays.
    pub(crate) fn forward(id: &str, title: impl Into<String>, action: Action, because: &str) -> Self {
        Self::new(id, title, action, Undo::ForwardOnly { because: because.to_owned() })
    }
}
