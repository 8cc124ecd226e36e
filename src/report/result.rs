//! A run as every report shows it: the content of `run.json`. Plain data, free of secrets; it is made in `recall`
//! and rendered by the reporters beside this file.

use std::collections::BTreeMap;

use phases::engine::event::{Ending, PhaseStatus, StepStatus};
use phases::plan::Phase;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::json::{FailureView, ReleaseView};

pub mod check;
pub mod load;
pub mod redact;

pub use check::CheckView;
pub use load::LoadView;

/// One run, whole. Units: seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunResult {
    /// Format version; 1.
    pub schema: u32,
    /// Run.
    pub run: String,
    /// Environment.
    pub environment: String,
    /// Verb typed.
    pub verb: String,
    /// `deployed done rolled_back failed refused stuck interrupted`; absent while the run has no end.
    #[schemars(with = "Option<String>")]
    pub ending: Option<Ending>,
    /// Exit code of its process; absent while the run has no end.
    pub exit_code: Option<u8>,
    /// Who is at work on it right now, as `user@host`.
    pub held_by: Option<String>,
    /// Who began it, as `user@host`.
    pub actor: Option<String>,
    /// When it began (RFC 3339 UTC).
    pub started_at: String,
    /// When its last record was written (RFC 3339 UTC).
    pub ended_at: String,
    /// From the first record to the last.
    pub seconds: f64,
    /// Number of its last record in the journal; 0 for a run that has none.
    pub last_record: u64,
    /// Release it was about.
    pub release: Option<ReleaseView>,
    /// Release that served before.
    pub previous: Option<ReleaseView>,
    /// What it brought, or took back.
    pub changes: Option<Changes>,
    /// Its phases.
    pub phases: Vec<PhaseResult>,
    /// What was taken back and what followed, in order.
    pub recovery: Vec<StepResult>,
    /// Times in which nobody was at work: its process was gone until another one took it over.
    pub pauses: Vec<Pause>,
    /// Loads, by step.
    pub loads: BTreeMap<String, LoadView>,
    /// What ended it, when it did not end well.
    pub failure: Option<FailureView>,
    /// Command to run next.
    pub next: Option<String>,
    /// The other way on, where there are two.
    pub alternative: Option<String>,
    /// Who looks after what: `dev`, `qa`, `ops` with a name each.
    pub owners: BTreeMap<String, String>,
    /// Whom to call after a bad ending, by role.
    pub contacts: BTreeMap<String, String>,
    /// Address users call.
    pub address: Option<String>,
    /// Report folder.
    pub report: Option<String>,
}

/// One phase as it went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseResult {
    /// Name.
    #[schemars(with = "String")]
    pub phase: Phase,
    /// `done unchanged skipped failed not_run`; absent when the run stopped in it without a word.
    #[schemars(with = "Option<String>")]
    pub status: Option<PhaseStatus>,
    /// Why it was left out, or had nothing to do.
    pub reason: Option<String>,
    /// Its steps that were reached, in order.
    pub steps: Vec<StepResult>,
}

/// One step as it went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StepResult {
    /// `phase.word`.
    pub step: String,
    /// What it does, for people.
    pub title: String,
    /// `done unchanged failed undone undo_failed`; absent when its outcome was never written.
    #[schemars(with = "Option<String>")]
    pub status: Option<StepStatus>,
    /// What it said, for people.
    pub summary: String,
    /// When it began, in seconds after the start of the run.
    pub begin: f64,
    /// Seconds it took.
    pub seconds: f64,
    /// Why not, when failed.
    pub failure: Option<FailureView>,
    /// Checks that it ran.
    pub checks: Vec<CheckView>,
}

/// A time in which nobody was at work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Pause {
    /// When it began, in seconds after the start of the run.
    pub begin: f64,
    /// Seconds it lasted.
    pub seconds: f64,
    /// Who went on, as `user@host`.
    pub ended_by: String,
}

/// What differs between two releases.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Changes {
    /// The run took these back instead of bringing them.
    pub taken_back: bool,
    /// Commits, newest first; at most 20.
    pub commits: Vec<Commit>,
    /// How many more commits there are.
    pub more_commits: u64,
    /// Why the commits cannot be listed.
    pub commits_unknown: Option<String>,
    /// Migrations that only one of the two has, as `018 meta_leads`.
    pub migrations: Vec<String>,
    /// The configuration that reaches the release differs; absent when that cannot be told.
    pub configuration_changed: Option<bool>,
}

/// A commit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Commit {
    /// First 12 characters of its id.
    pub id: String,
    /// Subject line.
    pub subject: String,
    /// Author's name.
    pub author: String,
}

/// How an ending is to be felt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// It did what was asked.
    Good,
    /// Stopped on request, or without an end.
    Open,
    /// It did not do what was asked.
    Bad,
}

impl RunResult {
    /// Good, open or bad.
    pub const fn mood(&self) -> Mood {
        match (self.ending, self.exit_code) {
            (Some(Ending::Deployed | Ending::Done), _) | (Some(Ending::RolledBack), Some(0)) => Mood::Good,
            (None | Some(Ending::Interrupted), _) => Mood::Open,
            _ => Mood::Bad,
        }
    }

    /// Every step that was reached, in order, those of the recovery last.
    pub fn steps(&self) -> impl Iterator<Item = &StepResult> {
        self.phases.iter().flat_map(|phase| &phase.steps).chain(&self.recovery)
    }

    /// Every check with the step that ran it.
    pub fn checks(&self) -> impl Iterator<Item = (&StepResult, &CheckView)> {
        self.steps().flat_map(|step| step.checks.iter().map(move |check| (step, check)))
    }

    /// The step that ended the run.
    pub fn reached(&self) -> Option<&StepResult> {
        let mut steps = self.phases.iter().flat_map(|phase| &phase.steps);
        steps.find(|step| matches!(step.status, None | Some(StepStatus::Failed)))
    }

    /// Seconds in which somebody was at work.
    pub fn worked(&self) -> f64 {
        (self.seconds - self.pauses.iter().map(|pause| pause.seconds).sum::<f64>()).max(0.0)
    }
}

impl PhaseResult {
    /// What it comes to in one line: why it did not run, what failed, or what its most telling step says.
    pub fn said(&self) -> &str {
        let failed = self.steps.iter().find(|step| matches!(step.status, None | Some(StepStatus::Failed)));
        let telling = ["migrate.apply", "deploy.shift", "rollback.shift"];
        let about = self.steps.iter().find(|step| telling.contains(&step.step.as_str()));
        let summary = failed.or(about).or(self.steps.last()).map(|step| step.summary.as_str());
        match (self.phase, failed, &self.reason) {
            (_, None, Some(reason)) => reason,
            (Phase::Preflight, None, None) if !self.steps.is_empty() => "all met",
            _ => summary.unwrap_or(""),
        }
    }

    /// Seconds its steps took.
    pub fn seconds(&self) -> f64 {
        self.steps.iter().fold(0.0, |sum, step| sum + step.seconds)
    }
}
