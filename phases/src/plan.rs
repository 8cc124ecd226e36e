//! A plan: phases in order, each with its steps. It can be printed, pinned in the journal and run.

use serde::{Deserialize, Serialize};

use crate::engine::step::Step;
use crate::release::{Release, ReleaseId};

/// The seven phases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Refuse what cannot work before anything changes.
    Preflight,
    /// Make the bytes of the release.
    Build,
    /// Bring the schema to what the release needs.
    Migrate,
    /// Start, prove, switch.
    Deploy,
    /// Check the public address.
    Smoke,
    /// Measure under load.
    Perf,
    /// Go back to an earlier good release.
    Rollback,
}

impl Phase {
    /// The pipeline of `crmctl deploy`, in order.
    pub const PIPELINE: [Self; 6] =
        [Self::Preflight, Self::Build, Self::Migrate, Self::Deploy, Self::Smoke, Self::Perf];

    /// Name as typed and printed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Preflight => "preflight",
            Self::Build => "build",
            Self::Migrate => "migrate",
            Self::Deploy => "deploy",
            Self::Smoke => "smoke",
            Self::Perf => "perf",
            Self::Rollback => "rollback",
        }
    }
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a phase is in the plan the way it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Intent {
    /// Its steps will run.
    Run,
    /// The world is already so; its steps, if any, only look.
    Unchanged {
        /// What makes it so.
        because: String,
    },
    /// Left out on the operator's word.
    Skipped {
        /// The reason given.
        reason: String,
    },
    /// Not asked for (`--from`, `--only`).
    NotRun,
}

/// One phase of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedPhase {
    /// Which.
    pub phase: Phase,
    /// What will become of it.
    pub intent: Intent,
    /// Its steps in order.
    pub steps: Vec<Step>,
}

/// What one run will do, whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Environment name.
    pub environment: String,
    /// Verb typed: a phase's name, or `deploy` for the pipeline.
    pub verb: String,
    /// Release that shall serve at the end, when one is involved.
    pub release: Option<Release>,
    /// What serves now and serves again when the run unwinds.
    pub previous: Option<ReleaseId>,
    /// Configuration fingerprint.
    pub fingerprint: String,
    /// All phases of the verb, those that do not run included.
    pub phases: Vec<PlannedPhase>,
}
