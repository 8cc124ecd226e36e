//! Records of a run: a chain of lines, each with the hash of the one before.
//! Folding it gives known releases, unfinished runs and history; nothing else is the truth.

use serde::{Deserialize, Serialize};

pub mod chain;

/// Newest format this crmctl writes and reads.
pub const SCHEMA: u32 = 1;

/// What a record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Kind {
    /// A run begins, with its whole plan in `desired`.
    Plan,
    /// A step is about to act.
    Intent,
    /// A step is done, with evidence.
    Done,
    /// A step failed.
    Failed,
    /// An undo is about to act.
    UndoIntent,
    /// An undo is done.
    UndoDone,
    /// An undo failed.
    UndoFailed,
    /// Something was decided about a release.
    Verdict,
    /// Another operator took the run over.
    Adopt,
    /// The operator asked to stop.
    Interrupted,
    /// The run is over, with its ending.
    End,
}

/// Who wrote a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// Login name.
    pub user: String,
    /// Host name.
    pub host: String,
}

/// One line of the journal. Shape: contract of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Format version.
    pub schema: u32,
    /// From 1, without gaps.
    pub seq: u64,
    /// Run.
    pub run: String,
    /// Its token.
    pub token: u64,
    /// Step, for records about one.
    pub step: Option<String>,
    /// From 1.
    pub attempt: u32,
    /// What it says.
    pub kind: Kind,
    /// What was seen before.
    pub observed: serde_json::Value,
    /// What was wanted.
    pub desired: serde_json::Value,
    /// What was shown for it.
    pub evidence: serde_json::Value,
    /// Who.
    pub actor: Actor,
    /// When (RFC 3339 UTC).
    pub at: String,
    /// SHA-256 of the previous line without its newline, hexadecimal; 64 zeros for the first.
    pub prev: String,
}

/// A record before the ledger numbers and chains it.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// Run.
    pub run: String,
    /// Step.
    pub step: Option<String>,
    /// From 1.
    pub attempt: u32,
    /// What it says.
    pub kind: Kind,
    /// What was seen before.
    pub observed: serde_json::Value,
    /// What was wanted.
    pub desired: serde_json::Value,
    /// What was shown for it.
    pub evidence: serde_json::Value,
    /// Who.
    pub actor: Actor,
    /// When (RFC 3339 UTC).
    pub at: String,
}
