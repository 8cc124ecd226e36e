//! How a run is over, with its ending and exit code: the one place where both are decided.
//! Source: the exit code table (`docs/ARCHITECTURE.md`).

use crate::engine::event::Ending;
use crate::engine::failure::FailureClass;

/// Everything that can become of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conclusion {
    /// The pipeline went through.
    Deployed,
    /// Another verb went through.
    Done,
    /// A rollback went through.
    WentBack,
    /// A rollback went through; its smoke failed.
    WentBackRed,
    /// A rollback went through; its smoke could not run.
    WentBackUnproved,
    /// Nothing was changed.
    Refused,
    /// Nothing was changed by a check that failed.
    CheckFailed,
    /// Nothing was changed by a check that could not run.
    CheckErrored,
    /// Unwound before traffic moved, or nothing served before.
    Unwound,
    /// Unwound; the earlier release serves again.
    RolledBack,
    /// Taking back failed, or the earlier release fails its smoke too.
    Stuck,
    /// Unwound on request.
    Interrupted,
    /// Left as it is, to be resumed: the journal cannot be written.
    Resumable,
    /// A newer run owns the environment.
    LeaseLost,
}

impl Conclusion {
    pub(crate) const fn ending(self) -> Ending {
        match self {
            Self::Deployed => Ending::Deployed,
            Self::Done => Ending::Done,
            Self::WentBack | Self::WentBackRed | Self::WentBackUnproved | Self::RolledBack => {
                Ending::RolledBack
            }
            Self::Refused => Ending::Refused,
            Self::CheckFailed | Self::CheckErrored | Self::Unwound => Ending::Failed,
            Self::Stuck => Ending::Stuck,
            Self::Interrupted | Self::Resumable | Self::LeaseLost => Ending::Interrupted,
        }
    }

    pub(crate) const fn exit_code(self) -> u8 {
        match self {
            Self::Deployed | Self::Done | Self::WentBack => 0,
            Self::Refused => 10,
            Self::LeaseLost => 12,
            Self::Unwound | Self::RolledBack => 20,
            Self::Stuck => 21,
            Self::CheckFailed | Self::WentBackRed => 30,
            Self::CheckErrored | Self::WentBackUnproved => 31,
            Self::Interrupted | Self::Resumable => 50,
        }
    }

    /// The next command to type.
    pub(crate) fn next(self, environment: &str) -> Option<String> {
        let verb = match self {
            Self::Deployed
            | Self::Done
            | Self::WentBack
            | Self::Unwound
            | Self::RolledBack
            | Self::Stuck
            | Self::LeaseLost => "status",
            Self::WentBackRed | Self::WentBackUnproved | Self::CheckFailed | Self::CheckErrored => "smoke",
            Self::Refused => "preflight",
            Self::Interrupted => "deploy",
            Self::Resumable => "resume",
        };
        Some(format!("crmctl {verb} {environment}"))
    }

    /// For a failure that changed nothing worth taking back.
    pub(crate) const fn untouched(class: FailureClass) -> Self {
        match class {
            FailureClass::Refused => Self::Refused,
            FailureClass::CheckFailed => Self::CheckFailed,
            FailureClass::CheckErrored => Self::CheckErrored,
            FailureClass::Failed | FailureClass::ReleaseFailed => Self::Unwound,
            FailureClass::LeaseLost => Self::LeaseLost,
        }
    }

    /// For a rollback whose traffic moved, by what its smoke said.
    pub(crate) const fn went_back(smoke: Option<FailureClass>) -> Self {
        match smoke {
            None => Self::WentBack,
            Some(FailureClass::CheckFailed) => Self::WentBackRed,
            Some(_) => Self::WentBackUnproved,
        }
    }
}
