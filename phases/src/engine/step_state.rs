//! What is known of one step, and what each record makes of it. Pure; knows no plan.

use crate::engine::journal::Kind;

/// What is known of one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepState {
    /// Nothing was written about it.
    Untouched,
    /// It was so already, or the step only looked: nothing to take back.
    Found,
    /// Its intent is written, its outcome is not.
    InDoubt,
    /// Its effect happened.
    Done,
    /// It failed without an intent: nothing was begun.
    Refused,
    /// It failed, and its effect did not happen.
    Failed,
    /// It failed, and nobody can tell whether its effect happened.
    FailedInDoubt,
    /// It is being taken back.
    Undoing,
    /// It is taken back.
    Undone,
    /// Taking it back failed.
    UndoFailed,
}

impl StepState {
    /// Something may have happened that has not been taken back.
    pub const fn stands(self) -> bool {
        matches!(
            self,
            Self::InDoubt
                | Self::Done
                | Self::Failed
                | Self::FailedInDoubt
                | Self::Undoing
                | Self::UndoFailed
        )
    }

    /// Its effect happened, as far as anybody can tell, at some time of the run.
    pub const fn happened(self) -> bool {
        self.stands() && !matches!(self, Self::Failed) || matches!(self, Self::Undone)
    }

    /// It failed, and that was told.
    pub(crate) const fn is_told(self) -> bool {
        matches!(self, Self::Refused | Self::Failed | Self::FailedInDoubt)
    }

    /// The step need not run again.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Found | Self::Done)
    }
}

/// What follows from a state and a record. Invariant: this match is the whole state machine of a step.
pub(crate) fn next_status(state: StepState, kind: Kind, in_doubt: bool, adopted: bool) -> Option<StepState> {
    use StepState::{
        Done, Failed, FailedInDoubt, Found, InDoubt, Refused, UndoFailed, Undoing, Undone, Untouched,
    };
    match (state, kind) {
        (Untouched, Kind::Done) => Some(Found),
        (Untouched, Kind::Failed) => Some(Refused),
        // A second intent follows when another operator found that the first had no effect, ...
        (Untouched | InDoubt, Kind::Intent) => Some(InDoubt),
        // ... or has none any more; what waited for it looks a second time.
        (Found | Done, Kind::Intent) if adopted => Some(InDoubt),
        (Found, Kind::Done) if adopted => Some(Found),
        (Found, Kind::Failed) if adopted => Some(Refused),
        // Between two looks it may have become so again, or nobody can tell any more.
        (Done, Kind::Done) if adopted => Some(Done),
        (Done, Kind::Failed) if adopted => Some(FailedInDoubt),
        (InDoubt, Kind::Done) => Some(Done),
        (InDoubt, Kind::Failed) if in_doubt => Some(FailedInDoubt),
        (InDoubt, Kind::Failed) => Some(Failed),
        (InDoubt | Done | Failed | FailedInDoubt | Undoing | UndoFailed, Kind::UndoIntent) => Some(Undoing),
        (Undoing, Kind::UndoDone) => Some(Undone),
        (Undoing, Kind::UndoFailed) => Some(UndoFailed),
        _ => None,
    }
}
