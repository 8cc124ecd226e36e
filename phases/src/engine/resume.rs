//! Where a run stands, folded from its records one by one. The run loop and the replay after a crash use the
//! same function, so what was run and what is read back cannot differ.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::engine::failure::{Failure, FailureClass};
use crate::engine::journal::{Kind, Record};
use crate::engine::step::Action;
pub use crate::engine::step_state::StepState;
use crate::engine::step_state::next_status;
use crate::migrate;
use crate::plan::Plan;

/// A record that cannot come after the ones before it: the journal lies or crmctl has a bug.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("record {seq} of run `{run}` cannot follow: {reason}")]
pub struct ReplayError {
    /// Number of the record.
    pub seq: u64,
    /// Run.
    pub run: String,
    /// What is wrong with it.
    pub reason: String,
}

/// A step that failed, with the reason.
#[derive(Debug, Clone, PartialEq)]
pub struct FailedStep {
    /// `phase.word`.
    pub step: String,
    /// Why.
    pub failure: Failure,
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Run.
    pub run: String,
    /// The plan it is pinned to.
    pub plan: Plan,
    /// Every step something was written about.
    pub steps: BTreeMap<String, StepState>,
    /// What a step had to show when it was done.
    pub evidence: BTreeMap<String, Value>,
    /// Steps that failed, in order.
    pub failures: Vec<FailedStep>,
    /// The operator asked to stop.
    pub interrupted: bool,
    /// It is being taken back.
    pub unwinding: bool,
    /// Another operator decided to take it back.
    pub taken_back: bool,
    /// Traffic had moved, as far as anybody can tell, when its undo began.
    pub traffic_moved: bool,
    /// Traffic that had moved is back where it was.
    pub traffic_restored: bool,
    /// The verdict on its release is written.
    pub judged: bool,
    /// Operators that have worked on it.
    pub attempt: u32,
    /// Records, that of the plan included.
    pub records: usize,
}

impl Progress {
    /// A run of which nothing has happened yet.
    pub fn new(run: String, plan: Plan) -> Self {
        Self {
            run,
            plan,
            steps: BTreeMap::new(),
            evidence: BTreeMap::new(),
            failures: Vec::new(),
            interrupted: false,
            unwinding: false,
            taken_back: false,
            traffic_moved: false,
            traffic_restored: false,
            judged: false,
            attempt: 1,
            records: 0,
        }
    }

    /// What is known of a step.
    pub fn state(&self, step: &str) -> StepState {
        self.steps.get(step).copied().unwrap_or(StepState::Untouched)
    }

    /// An effect was begun: the world may differ from before.
    pub fn touched(&self) -> bool {
        self.steps.values().any(|state| !matches!(state, StepState::Found | StepState::Refused))
    }

    /// The failure that stops the run; one that is only reported does not.
    pub fn fatal(&self) -> Option<&FailedStep> {
        self.failures.iter().find(|failed| !self.only_reports(&failed.step))
    }

    /// The failure of a step that is only reported.
    pub(crate) fn reported(&self, step: &str) -> Option<&Failure> {
        self.failures.iter().find(|failed| failed.step == step).map(|failed| &failed.failure)
    }

    /// A failure of this step stops nothing: what it looks at has already happened, or it only cleans.
    pub(crate) fn only_reports(&self, step: &str) -> bool {
        let recovers = [&self.plan.recovery.smoke, &self.plan.recovery.retire].into_iter().flatten();
        if recovers.into_iter().any(|reporting| reporting.id.0 == step) {
            return true;
        }
        let Some(planned) = self.plan.step(step) else { return false };
        match planned.action {
            Action::RetireReleases { .. } | Action::StopLeftovers { .. } => true,
            Action::RunSuite { .. } | Action::EnsureDatabase if self.plan.goes_back() => true,
            Action::RunSuite { .. } if step == migrate::SMOKE => self.fails_as_before(),
            Action::RunSuite { .. } => step == migrate::BASELINE,
            _ => false,
        }
    }

    /// Its failure is told and does not make its phase fail. The checks after a rollback do: they say whether
    /// going back was worth it.
    pub fn is_aside(&self, step: &str) -> bool {
        self.only_reports(step) && !self.plan.goes_back()
    }

    /// The release that still serves fails its suite exactly as it did before its schema changed: that says nothing of
    /// the change. A suite that could not run before proves nothing, and one more red check is the change's.
    fn fails_as_before(&self) -> bool {
        let told = |step| {
            let failure = self.reported(step)?;
            (failure.class == FailureClass::CheckFailed).then_some((&failure.message, &failure.detail))
        };
        told(migrate::BASELINE).is_some_and(|before| told(migrate::SMOKE) == Some(before))
    }

    /// An effect that a user could notice happened, as far as anybody can tell.
    pub(crate) fn changed(&self) -> bool {
        // What cleans after a failure is no change of its own: its record must not alter the ending.
        let steps = self.plan.steps().filter(|step| !step.action.is_preparation());
        steps.map(|step| self.state(&step.id.0)).any(StepState::happened)
    }

    /// Where the run was stopped, when it was.
    pub(crate) fn must_unwind(&self) -> bool {
        self.unwinding || self.taken_back || self.interrupted || self.fatal().is_some()
    }

    /// Going on with it means going forward: nothing has failed and nobody asked to stop.
    pub fn goes_forward(&self) -> bool {
        !self.must_unwind()
    }

    /// The step whose outcome is not known, if any.
    pub fn in_doubt(&self) -> Option<&str> {
        self.steps.iter().find(|(_, state)| **state == StepState::InDoubt).map(|(step, _)| step.as_str())
    }

    /// Takes one more record of this run in.
    ///
    /// # Errors
    /// When it cannot follow from where the run stands.
    pub fn accept(&mut self, record: &Record) -> Result<(), ReplayError> {
        match record.kind {
            Kind::Plan if self.records > 0 => return Err(wrong(record, "the run has a plan already")),
            Kind::Plan | Kind::End => {}
            _ if self.records == 0 => return Err(wrong(record, "the run has no plan yet")),
            Kind::Adopt => {
                self.attempt += 1;
                self.taken_back |= record.desired["do"] == "unwind";
            }
            Kind::Verdict => self.judged = true,
            Kind::Interrupted => self.interrupted = true,
            kind => self.accept_step(record, kind)?,
        }
        self.records += 1;
        Ok(())
    }

    fn accept_step(&mut self, record: &Record, kind: Kind) -> Result<(), ReplayError> {
        let step = record.step.clone().ok_or_else(|| wrong(record, "it names no step"))?;
        if self.plan.step(&step).is_none() {
            return Err(wrong(record, &format!("step `{step}` is not in the plan")));
        }
        let in_doubt = record.evidence["in_doubt"] == Value::Bool(true);
        let before = self.state(&step);
        let after = next_status(before, kind, in_doubt, self.attempt > 1)
            .ok_or_else(|| wrong(record, &format!("step `{step}` was {before:?}")))?;
        match kind {
            Kind::Failed => self.remember_failure(&step, record)?,
            Kind::Done => drop(self.evidence.insert(step.clone(), record.evidence.clone())),
            Kind::UndoIntent => {
                self.unwinding = true;
                // Only the first time: an undo that is tried again says nothing of the switch.
                let first = !matches!(before, StepState::Undoing | StepState::UndoFailed);
                self.traffic_moved |= self.is_shift(&step) && first && before.happened();
            }
            Kind::UndoDone => self.traffic_restored |= self.is_shift(&step) && self.traffic_moved,
            _ => {}
        }
        self.steps.insert(step, after);
        Ok(())
    }

    fn is_shift(&self, step: &str) -> bool {
        self.plan.step(step).is_some_and(|step| matches!(step.action, Action::ShiftTraffic { .. }))
    }

    fn remember_failure(&mut self, step: &str, record: &Record) -> Result<(), ReplayError> {
        let failure = serde_json::from_value(record.evidence["failure"].clone())
            .map_err(|error| wrong(record, &format!("its failure cannot be read: {error}")))?;
        self.failures.push(FailedStep { step: step.to_owned(), failure });
        Ok(())
    }
}

fn wrong(record: &Record, reason: &str) -> ReplayError {
    ReplayError { seq: record.seq, run: record.run.clone(), reason: reason.to_owned() }
}

/// A run without end, ready to be gone on with or taken back.
pub type Unfinished = Progress;

/// Folds the records of one run.
///
/// # Errors
/// When there is no plan, it cannot be read, or a record cannot follow from those before it.
pub fn replay<'a>(records: impl IntoIterator<Item = &'a Record>) -> Result<Progress, ReplayError> {
    let mut records = records.into_iter();
    let missing = || ReplayError { seq: 0, run: String::new(), reason: "there is no record".to_owned() };
    let first = records.next().ok_or_else(missing)?;
    if first.kind != Kind::Plan {
        return Err(wrong(first, "a run begins with its plan"));
    }
    let plan = serde_json::from_value(first.desired.clone())
        .map_err(|error| wrong(first, &format!("its plan cannot be read: {error}")))?;
    let mut progress = Progress::new(first.run.clone(), plan);
    progress.accept(first)?;
    records.try_for_each(|record| progress.accept(record))?;
    Ok(progress)
}
