//! A plan as plain lines for people: phase, intent, steps and how each is taken back. No colour, no width.

use std::fmt::{Display, Formatter, Result};

use crate::engine::step::{Step, Undo};
use crate::plan::{Intent, Plan, PlannedPhase};

impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{} {}", self.verb, self.environment)?;
        if let Some(target) = &self.target {
            write!(f, ": {}", target.id)?;
        }
        if let Some(previous) = self.previous.as_ref().filter(|_| self.shifts()) {
            write!(f, " in place of {previous}")?;
        }
        writeln!(f)?;
        self.phases.iter().try_for_each(|phase| write!(f, "{phase}"))?;
        let recovery: Vec<&Step> =
            [&self.recovery.smoke, &self.recovery.retire].into_iter().flatten().collect();
        if !recovery.is_empty() {
            writeln!(f, "after a failure")?;
        }
        recovery.into_iter().try_for_each(|step| write!(f, "{step}"))
    }
}

impl Display for PlannedPhase {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        writeln!(f, "{:<10}{}", self.phase.as_str(), self.intent)?;
        self.steps.iter().try_for_each(|step| write!(f, "{step}"))
    }
}

impl Display for Intent {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Run => f.write_str("run"),
            Self::Unchanged { because } => write!(f, "unchanged: {because}"),
            Self::Skipped { reason } => write!(f, "skipped: {reason}"),
            Self::NotRun => f.write_str("not run"),
        }
    }
}

/// One step, indented, with its way back below when there is one to tell.
impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        writeln!(f, "  {:<24}{}", self.id.0, self.title)?;
        match &self.undo {
            Undo::Nothing => Ok(()),
            undo => writeln!(f, "  {:<24}  {undo}", ""),
        }
    }
}

impl Display for Undo {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Nothing => f.write_str("only looks"),
            Self::ForwardOnly { because } => write!(f, "stays: {because}"),
            Self::StopRelease { release } => write!(f, "undo: stop {release}"),
            Self::RestoreTraffic { to: Some(to), from } => {
                write!(f, "undo: give traffic back to {to}, stop {from}")
            }
            Self::RestoreTraffic { to: None, from } => write!(f, "undo: stop serving, stop {from}"),
        }
    }
}
