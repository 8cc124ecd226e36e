//! Faults that a test plants in a fake world: which call, of which step, and what it answers.

use crate::engine::failure::FailureClass;

/// Which call of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Its effect.
    Apply,
    /// Its undo.
    Undo,
    /// The fence, which belongs to no step: [`FENCE`].
    Fence,
}

/// What a fault in the fence names as its step.
pub const FENCE: &str = "fence";

/// Whether the effect takes place nevertheless, and what is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It does not take place and says so.
    Before(FailureClass),
    /// It does not take place, and nobody can tell.
    Lost,
    /// It takes place, and the answer gets lost; a probe finds it.
    Unheard,
    /// It takes place, and neither the answer nor any probe can tell.
    Blind,
    /// It takes place, and a newer run has taken the environment meanwhile.
    Fenced,
    /// It takes place, and never answers.
    Hangs,
}

/// One planted fault. It strikes once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which call.
    pub call: Call,
    /// Of which step.
    pub step: String,
    /// What happens.
    pub kind: Kind,
}
