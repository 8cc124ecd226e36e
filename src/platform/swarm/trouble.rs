//! What went wrong in an effect, and what it means for the run.

use phases::engine::effects::EffectOutcome;
use phases::engine::failure::{Failure, FailureClass};

use crate::docker::EngineError;
use crate::error::chain;

/// Why an effect is not done.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The engine.
    Engine(EngineError),
    /// A newer run has the environment.
    LeaseLost {
        /// Ours.
        token: u64,
        /// The newest seen.
        newest: u64,
    },
    /// It did not happen, for a reason of its own.
    Failed(Failure),
    /// The engine has agreed to it, and whether it has happened cannot be told yet.
    InDoubt(Failure),
}

impl From<EngineError> for Trouble {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Trouble {
    /// The same when the engine has agreed to the change before: that what follows could not be seen takes nothing back. Only a
    /// release that did not come up, and a newer run, are certain.
    pub(super) fn after_a_write(self) -> Self {
        match self {
            Self::Engine(error) => {
                Self::InDoubt(Failure::new(FailureClass::Failed, chain(&error)).hint(error.hint()))
            }
            Self::Failed(failure) if failure.class == FailureClass::Failed => Self::InDoubt(failure),
            other => other,
        }
    }

    /// Told to the run. What an engine did whose answer is missing, only a probe can tell.
    pub(super) fn into_outcome(self) -> EffectOutcome {
        match self {
            Self::Engine(error) => {
                let failure = Failure::new(FailureClass::Failed, chain(&error)).hint(error.hint());
                if error.is_certain() {
                    EffectOutcome::NotDone(failure)
                } else {
                    EffectOutcome::Unknown(failure)
                }
            }
            Self::LeaseLost { token, newest } => {
                let message =
                    format!("a newer run owns the environment (token {newest}, this one has {token})");
                EffectOutcome::NotDone(Failure::new(FailureClass::LeaseLost, message))
            }
            Self::Failed(failure) => EffectOutcome::NotDone(failure),
            Self::InDoubt(failure) => EffectOutcome::Unknown(failure),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_write_only_the_release_and_a_newer_run_are_certain() {
        let failed = |class| Trouble::Failed(Failure::new(class, "it is so"));
        let away = EngineError::NotFound { what: "list its tasks", message: "no such service".to_owned() };
        assert!(away.is_certain());
        for trouble in [Trouble::Engine(away), failed(FailureClass::Failed)] {
            assert!(matches!(trouble.after_a_write().into_outcome(), EffectOutcome::Unknown(_)));
        }
        for trouble in [failed(FailureClass::ReleaseFailed), Trouble::LeaseLost { token: 1, newest: 2 }] {
            assert!(matches!(trouble.after_a_write().into_outcome(), EffectOutcome::NotDone(_)));
        }
    }
}
