//! A plan: phases in order, each with its steps. It can be printed, pinned in the journal and run.

use serde::{Deserialize, Serialize};

use crate::engine::step::{Action, Step, Undo};
use crate::release::{Release, ReleaseId};

pub mod render;

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
    /// Release made from the checkout, when the verb asks for one.
    pub release: Option<Release>,
    /// Release the run is about: the one to deploy, to check or to go back to.
    pub target: Option<Target>,
    /// What served before the target, and serves again when the run unwinds.
    pub previous: Option<ReleaseId>,
    /// Configuration fingerprint.
    pub fingerprint: String,
    /// All phases of the verb, those that do not run included.
    pub phases: Vec<PlannedPhase>,
    /// When the run goes through, its target is proved good.
    pub proves: bool,
    /// What follows when the run unwinds.
    pub recovery: Recovery,
}

/// The release a run is about, as far as it is known when planning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Its name.
    pub id: ReleaseId,
    /// Its whole commit; absent when only its name is known.
    pub commit: Option<String>,
    /// Content digest, `sha256:…`; absent until it is built.
    pub digest: Option<String>,
}

/// Steps that run only after a failure, once everything done has been taken back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Recovery {
    /// Checks the earlier release when traffic went back to it.
    pub smoke: Option<Step>,
    /// Cleans, so that a failing pipeline never fills a disk.
    pub retire: Option<Step>,
}

impl Plan {
    /// Steps of the phases that are part of this run, in order.
    pub fn steps(&self) -> impl DoubleEndedIterator<Item = &Step> {
        self.phases.iter().flat_map(|phase| &phase.steps)
    }

    /// A step by name, those of the recovery included.
    pub fn step(&self, id: &str) -> Option<&Step> {
        let recovery = [&self.recovery.smoke, &self.recovery.retire].into_iter().flatten();
        self.steps().chain(recovery).find(|step| step.id.0 == id)
    }

    /// Number of steps that would change something.
    pub fn effects(&self) -> usize {
        self.steps().filter(|step| !step.action.is_observation()).count()
    }

    /// The run brings its target in: a check that fails tells of that release.
    pub fn introduces(&self) -> bool {
        let phases = self.phases.iter().filter(|planned| planned.phase == Phase::Deploy);
        phases.flat_map(|planned| &planned.steps).any(|s| matches!(s.action, Action::ShiftTraffic { .. }))
    }

    /// The run itself is the way back to an earlier release.
    pub fn goes_back(&self) -> bool {
        self.verb == Phase::Rollback.as_str()
    }

    /// What gets the public address when the run's switch is taken back; `None` when that leaves nothing
    /// serving, or there is no switch.
    pub fn restores(&self) -> Option<&ReleaseId> {
        self.steps().find_map(|step| match &step.undo {
            Undo::RestoreTraffic { to, .. } => to.as_ref(),
            _ => None,
        })
    }

    /// The run gives the public address to its target.
    pub fn shifts(&self) -> bool {
        self.steps().any(|step| matches!(step.action, Action::ShiftTraffic { .. }))
    }

    /// A phase is part of the run, be it that there is nothing to do in it.
    pub fn includes(&self, phase: Phase) -> bool {
        let part = |intent: &Intent| matches!(intent, Intent::Run | Intent::Unchanged { .. });
        self.phases.iter().any(|planned| planned.phase == phase && part(&planned.intent))
    }
}
