//! What a run tells reporters while it runs. Made from the run loop, never read back.

use serde::{Deserialize, Serialize};

use crate::engine::failure::{CheckEvidence, Failure};
use crate::plan::{Phase, Plan};

/// How a run is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The release serves.
    Deployed,
    /// Another verb did what it says.
    Done,
    /// An earlier release serves again.
    RolledBack,
    /// Unwound, or a lone check failed.
    Failed,
    /// Nothing was changed.
    Refused,
    /// Going back failed too; a person is needed.
    Stuck,
    /// Stopped on request or by losing the lease.
    Interrupted,
}

/// What became of a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhaseStatus {
    /// Ran, all steps done.
    Done,
    /// Already so.
    Unchanged,
    /// Left out on the operator's word.
    Skipped,
    /// A step failed.
    Failed,
    /// Not reached or not asked for.
    NotRun,
}

/// One piece of news.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The lease is taken.
    RunStarted {
        /// Verb.
        verb: String,
        /// Token.
        token: u64,
    },
    /// The plan is pinned.
    PlanReady {
        /// It.
        plan: Box<Plan>,
    },
    /// A phase begins.
    PhaseStarted {
        /// Which.
        phase: Phase,
    },
    /// A step begins.
    StepStarted {
        /// `phase.word`.
        step: String,
        /// For people.
        title: String,
        /// It takes another step back.
        undo: bool,
    },
    /// News from inside a step.
    StepProgress {
        /// Which.
        step: String,
        /// For people.
        message: Option<String>,
        /// Done.
        done: Option<u64>,
        /// Known.
        total: Option<u64>,
    },
    /// A check is through.
    CheckFinished {
        /// Its evidence.
        check: CheckEvidence,
    },
    /// A load is through.
    LoadFinished {
        /// Its report.
        report: serde_json::Value,
    },
    /// A step is over.
    StepFinished {
        /// Which.
        step: String,
        /// `done`, `unchanged`, `failed`, `undone`, `undo_failed`.
        status: StepStatus,
        /// For people.
        summary: String,
        /// Seconds it took.
        seconds: f64,
        /// Why not, when failed.
        failure: Option<Failure>,
    },
    /// A phase is over.
    PhaseFinished {
        /// Which.
        phase: Phase,
        /// How.
        status: PhaseStatus,
        /// Seconds it took.
        seconds: f64,
    },
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// The effect happened.
    Done,
    /// It was already so.
    Unchanged,
    /// It failed.
    Failed,
    /// It was taken back.
    Undone,
    /// Taking it back failed.
    UndoFailed,
}
