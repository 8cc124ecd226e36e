//! The door behind which every action happens. The real one is in crmctl, a fake one in `testing`.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::engine::failure::{CheckEvidence, Failure};
use crate::engine::step::{Action, StepId, Undo};

/// What an effect or a probe can show for itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// One line for people, as `v18, 8 applied`.
    pub summary: String,
    /// The same for machines.
    pub facts: serde_json::Value,
    /// Checks that were run.
    pub checks: Vec<CheckEvidence>,
}

/// Answer to "is it already so?".
#[derive(Debug, Clone, PartialEq)]
pub enum Probe {
    /// The world is as the action would leave it.
    Done(Evidence),
    /// It is not.
    NotDone,
    /// It cannot be told now.
    Unknown(Failure),
}

/// Answer of an effect. After `Unknown` only a probe may follow.
#[derive(Debug, Clone, PartialEq)]
pub enum EffectOutcome {
    /// It happened.
    Done(Evidence),
    /// It did not happen.
    NotDone(Failure),
    /// It may have happened.
    Unknown(Failure),
}

/// What every effect carries.
#[derive(Clone)]
pub struct EffectContext<'a> {
    /// Run it belongs to.
    pub run: &'a str,
    /// Fencing token: a target that has seen a higher one refuses.
    pub token: u64,
    /// Step it belongs to.
    pub step: &'a StepId,
    /// Where progress and finished checks are told.
    pub progress: &'a (dyn Fn(Progress) + Send + Sync),
}

/// News from inside an effect.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// A line for people: what is going on right now.
    Message(String),
    /// Work done of work known.
    Count {
        /// Done.
        done: u64,
        /// Known.
        total: u64,
    },
    /// A check is through.
    Check(CheckEvidence),
    /// A load is through: its whole report, as data.
    Load(serde_json::Value),
}

/// Everything a run does to the world.
#[async_trait]
pub trait Effects: Send + Sync {
    /// Is the world already as `action` would leave it? Changes nothing. Never called for observations.
    async fn probe(&self, action: &Action) -> Probe;

    /// Lets no older run change anything any more, at every target that compares tokens. Changes nothing else,
    /// starts nothing. Comes between lease and look ([`crate::engine::fence`]).
    async fn fence(&self, token: u64) -> EffectOutcome;

    /// Does it. Idempotent: twice gives the same world.
    async fn apply(&self, action: &Action, context: &EffectContext<'_>) -> EffectOutcome;

    /// Takes it back. Tolerates an action that was never done, or half.
    async fn undo(&self, undo: &Undo, context: &EffectContext<'_>) -> EffectOutcome;
}
