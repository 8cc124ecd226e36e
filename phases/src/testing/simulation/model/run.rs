//! What the books know of one run, and what follows from it for the world at its end. Read off the journal's records
//! and the plan; knows nothing of the loop.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::event::Ending;
use crate::engine::failure::FailureClass;
use crate::engine::journal::{Kind, Record};
use crate::engine::platform::Role;
use crate::engine::step::Action;
use crate::plan::{Phase, Plan};
use crate::release::ReleaseId;
use crate::testing::machine::Machine;

/// A run that has a plan and no end.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) plan: Plan,
    pub(super) last: BTreeMap<String, Kind>,
    pub(super) taken_back: bool,
    /// Its release was blocked by it.
    pub(super) blocked: bool,
    /// The step of the plan that failed last.
    pub(super) fault: Option<(String, FailureClass)>,
    /// What served when it began.
    served: Option<ReleaseId>,
    /// Steps that it has begun itself.
    begun: BTreeSet<String>,
}

impl Run {
    /// A run that has just written its plan.
    pub(super) fn begin(record: &Record, machine: &Machine) -> Self {
        Self {
            plan: serde_json::from_value(record.desired.clone()).expect("a plan was written"),
            last: BTreeMap::new(),
            taken_back: false,
            blocked: false,
            fault: None,
            served: machine.answers().cloned(),
            begun: BTreeSet::new(),
        }
    }

    /// Takes a record in.
    pub(super) fn accept(&mut self, record: &Record) {
        match record.kind {
            Kind::Adopt => self.taken_back |= record.desired["do"] == "unwind",
            Kind::Verdict => self.blocked |= record.desired["state"] == "blocked",
            _ => {}
        }
        let Some(step) = &record.step else { return };
        self.last.insert(step.clone(), record.kind);
        match record.kind {
            Kind::Intent => drop(self.begun.insert(step.clone())),
            Kind::Failed if self.plan.steps().any(|planned| &planned.id.0 == step) => {
                let class = record.evidence["failure"]["class"].clone();
                let class = serde_json::from_value(class).expect("a failure has a class");
                self.fault = Some((step.clone(), class));
            }
            _ => {}
        }
    }

    fn target(&self) -> Option<&ReleaseId> {
        self.plan.target.as_ref().map(|target| &target.id)
    }

    /// The switch was taken back.
    fn is_undone(&self) -> bool {
        let shift = self.plan.steps().find(|step| matches!(step.action, Action::ShiftTraffic { .. }));
        shift.is_some_and(|shift| self.last.get(&shift.id.0) == Some(&Kind::UndoDone))
    }

    /// What must serve at its end. Inner `None`: nothing. A person's word says nothing of what serves.
    pub(super) fn expected(&self, ending: Ending) -> Option<Option<&ReleaseId>> {
        let went_back = self.plan.verb == Phase::Rollback.as_str() && !self.taken_back;
        match ending {
            _ if self.plan.phases.is_empty() => None,
            _ if self.is_undone() => Some(self.plan.previous.as_ref()),
            Ending::Deployed => Some(self.target()),
            Ending::RolledBack if went_back => Some(self.target()),
            Ending::Stuck => None,
            // Whatever stopped it, traffic has not moved.
            Ending::RolledBack | Ending::Done | Ending::Failed | Ending::Refused | Ending::Interrupted => {
                Some(self.served.as_ref())
            }
        }
    }

    /// Those that may serve when it is stuck.
    pub(super) fn sides(&self) -> Vec<Option<&ReleaseId>> {
        let mut sides = vec![self.target(), self.served.as_ref(), self.plan.previous.as_ref()];
        // Nothing serves only where nothing did, or where that is the way back.
        let nothing = self.served.is_none() || self.plan.restores().is_none();
        sides.retain(|side| side.is_some() || nothing);
        sides
    }

    /// Whether its release must be blocked by it; absent when the ending says nothing of that.
    pub(super) fn blocks(&self, ending: Ending) -> Option<bool> {
        let at_fault = self.fault.as_ref().is_some_and(|(step, class)| {
            let red = matches!(class, FailureClass::CheckFailed | FailureClass::ReleaseFailed);
            let asked = self.plan.step(step).and_then(|step| step.action.asks());
            red && asked.is_none_or(|asked| Some(asked) == self.target())
        });
        match ending {
            _ if self.plan.phases.is_empty() => None,
            Ending::Failed | Ending::RolledBack | Ending::Stuck => Some(at_fault && self.plan.introduces()),
            Ending::Deployed | Ending::Done | Ending::Refused | Ending::Interrupted => Some(false),
        }
    }

    /// A candidate that it has started, or a release that runs twice.
    pub(super) fn left_running(&self, machine: &Machine) -> Option<ReleaseId> {
        let started = self.plan.steps().find_map(|step| match &step.action {
            Action::StartRelease { release } if self.begun.contains(&step.id.0) => Some(release),
            _ => None,
        });
        let mut seen = BTreeSet::new();
        machine.instances.iter().filter(|(_, role)| *role != Role::Draining).find_map(|(id, role)| {
            let candidate = *role == Role::Candidate && Some(id) == started;
            (candidate || !seen.insert(id)).then(|| id.clone())
        })
    }
}
