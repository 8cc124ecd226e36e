//! What a run amounts to once it is over. Plain data for reporters; the journal is the truth.

use serde::{Deserialize, Serialize};

use crate::engine::event::{Ending, PhaseStatus, StepStatus};
use crate::engine::failure::Failure;
use crate::plan::{Phase, Target};

/// One step as it went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// `phase.word`.
    pub step: String,
    /// What became of it.
    pub status: StepStatus,
    /// One line for people.
    pub summary: String,
    /// Seconds it took.
    pub seconds: f64,
    /// Why not, when failed.
    pub failure: Option<Failure>,
}

/// One phase as it went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhaseReport {
    /// Which.
    pub phase: Phase,
    /// What became of it.
    pub status: PhaseStatus,
    /// Seconds it took.
    pub seconds: f64,
    /// Steps that were reached, in order.
    pub steps: Vec<StepReport>,
}

/// A whole run. Shape: the fields of the event `run.finished`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// Run.
    pub run: String,
    /// Verb typed.
    pub verb: String,
    /// How it is over.
    pub ending: Ending,
    /// Exit code of the process.
    pub exit_code: u8,
    /// The release it was about.
    pub release: Option<Target>,
    /// Phases of the verb in order.
    pub phases: Vec<PhaseReport>,
    /// What was taken back and what followed, in order.
    pub recovery: Vec<StepReport>,
    /// Why it did not do what it should.
    pub failure: Option<Failure>,
    /// The next command to type.
    pub next: Option<String>,
}
