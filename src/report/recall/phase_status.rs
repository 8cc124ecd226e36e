//! What became of a phase, from what became of its steps. As the run loop told it.

use phases::engine::event::{Ending, PhaseStatus, StepStatus};
use phases::plan::{Intent, PlannedPhase};

use super::Story;
use crate::report::result::StepResult;

impl Story<'_> {
    pub(super) fn went_well(&self) -> bool {
        matches!(self.ending, Some(Ending::Deployed | Ending::Done)) || self.exit_code == Some(0)
    }

    /// It was gone through: done, or failed in a way that stops nothing.
    pub(super) fn is_over(&self, own: &[StepResult], step: &str) -> bool {
        own.iter().rev().find(|found| found.step == step).is_some_and(|found| match found.status {
            Some(StepStatus::Done | StepStatus::Unchanged) => true,
            Some(StepStatus::Failed) => self.aside.contains(step),
            _ => false,
        })
    }

    /// `passed`: the run has come past the phase.
    pub(super) fn status(
        &self,
        planned: &PlannedPhase,
        own: &[StepResult],
        passed: bool,
    ) -> Option<PhaseStatus> {
        let failed = own
            .iter()
            .any(|step| step.status == Some(StepStatus::Failed) && !self.aside.contains(&step.step));
        match &planned.intent {
            Intent::NotRun => Some(PhaseStatus::NotRun),
            Intent::Skipped { .. } => Some(PhaseStatus::Skipped),
            _ if failed => Some(PhaseStatus::Failed),
            Intent::Unchanged { .. } if passed => Some(PhaseStatus::Unchanged),
            Intent::Run if passed => Some(PhaseStatus::Done),
            _ if own.is_empty() => Some(PhaseStatus::NotRun),
            _ if self.ending.is_some() => Some(PhaseStatus::Failed),
            _ => None,
        }
    }
}
