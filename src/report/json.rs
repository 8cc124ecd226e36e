//! Events for machines. The types here are the published format (`docs/schema/event.schema.json`): a change of
//! one is a change of the contract.
//!
//! Length: one variant and its fields per event, each documented.

use chrono::{SecondsFormat, Utc};
use phases::engine::event::{Ending, Event};
use phases::engine::failure::{Failure, FailureClass};
use phases::engine::report::{RunReport, StepReport};
use phases::release::ReleaseId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// A release as documents show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseView {
    /// Release id.
    pub id: String,
    /// Whole commit.
    pub commit: Option<String>,
    /// Content digest.
    pub digest: Option<String>,
}

impl ReleaseView {
    /// A view from what is known.
    pub fn new(id: &ReleaseId, commit: Option<String>, digest: Option<String>) -> Self {
        Self { id: id.to_string(), commit, digest }
    }
}

/// One line of `--output json`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct EventLine {
    /// Format version; 1.
    pub schema: u32,
    /// What happened, and the fields that belong to it.
    #[serde(flatten)]
    pub body: EventBody,
    /// When (RFC 3339 UTC).
    pub at: String,
    /// Run id.
    pub run: String,
    /// Environment.
    pub environment: String,
}

/// The kinds of events with their own fields.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "event")]
pub enum EventBody {
    /// The lease is taken.
    #[serde(rename = "run.started")]
    RunStarted {
        /// Verb.
        verb: String,
        /// Fencing token.
        token: u64,
    },
    /// The plan is pinned.
    #[serde(rename = "plan.ready")]
    PlanReady {
        /// The whole plan, as `crmctl plan --output json` prints it under `phases`.
        plan: serde_json::Value,
    },
    /// A phase begins.
    #[serde(rename = "phase.started")]
    PhaseStarted {
        /// Which.
        phase: String,
    },
    /// A step begins.
    #[serde(rename = "step.started")]
    StepStarted {
        /// `phase.word`.
        step: String,
        /// For people.
        title: String,
        /// It is being taken back.
        undo: bool,
    },
    /// News from inside a step.
    #[serde(rename = "step.progress")]
    StepProgress {
        /// `phase.word`.
        step: String,
        /// For people.
        message: Option<String>,
        /// Work done.
        done: Option<u64>,
        /// Work known.
        total: Option<u64>,
    },
    /// A step is over.
    #[serde(rename = "step.finished")]
    StepFinished {
        /// `phase.word`.
        step: String,
        /// `done unchanged failed undone undo_failed`.
        status: String,
        /// For people.
        summary: String,
        /// Seconds it took.
        seconds: f64,
        /// Why not.
        failure: Option<FailureView>,
    },
    /// A check is through.
    #[serde(rename = "check.finished")]
    CheckFinished {
        /// `suite/name`.
        check: String,
        /// `passed failed errored`.
        outcome: String,
        /// What was expected.
        expected: Option<String>,
        /// What was seen.
        actual: Option<String>,
        /// dev, qa or ops.
        owner: Option<String>,
        /// Next action.
        hint: Option<String>,
        /// Milliseconds it took.
        duration_ms: f64,
    },
    /// A load is through.
    #[serde(rename = "load.finished")]
    LoadFinished {
        /// Its report.
        load: serde_json::Value,
    },
    /// A phase is over.
    #[serde(rename = "phase.finished")]
    PhaseFinished {
        /// Which.
        phase: String,
        /// `done unchanged skipped failed not_run`.
        status: String,
        /// Seconds it took.
        seconds: f64,
    },
    /// The run is over; always the last line.
    #[serde(rename = "run.finished")]
    RunFinished(Box<RunFinished>),
}

/// Why something did not happen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FailureView {
    /// `refused check_failed check_errored failed release_failed lease_lost`.
    pub class: String,
    /// One sentence.
    pub message: String,
    /// Next action.
    pub hint: Option<String>,
    /// Last log lines or other detail, newest last.
    pub detail: Vec<String>,
}

/// Fields of `run.finished`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RunFinished {
    /// Verb.
    pub verb: String,
    /// `deployed done rolled_back failed refused stuck interrupted`.
    pub ending: String,
    /// Exit code of the process.
    pub exit_code: u8,
    /// Release it was about.
    pub release: Option<ReleaseView>,
    /// Its phases.
    pub phases: Vec<PhaseView>,
    /// What was taken back and what followed, in order.
    pub recovery: Vec<StepView>,
    /// What ended it, when it did not end well.
    pub failure: Option<FailureView>,
    /// Command to run next.
    pub next: Option<String>,
    /// Report folder.
    pub report: Option<String>,
}

/// A phase in `run.finished`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PhaseView {
    /// Name.
    pub phase: String,
    /// `done unchanged skipped failed not_run`.
    pub status: String,
    /// Seconds it took.
    pub seconds: f64,
    /// Its steps.
    pub steps: Vec<StepView>,
}

/// A step in `run.finished`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct StepView {
    /// `phase.word`.
    pub step: String,
    /// `done unchanged failed undone undo_failed`.
    pub status: String,
    /// For people.
    pub summary: String,
    /// Seconds it took.
    pub seconds: f64,
}

/// Now, as every document writes it.
pub fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The word an enum of the engine has in JSON.
pub fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

/// The view of a failure.
pub fn failure_view(failure: &Failure) -> FailureView {
    FailureView {
        class: word(&failure.class),
        message: failure.message.clone(),
        hint: failure.hint.clone(),
        detail: failure.detail.clone(),
    }
}

/// The line of an event of the run loop.
pub fn event_body(event: &Event) -> EventBody {
    match event {
        Event::RunStarted { verb, token } => EventBody::RunStarted { verb: verb.clone(), token: *token },
        Event::PlanReady { plan } => EventBody::PlanReady {
            plan: serde_json::to_value(plan).expect("a plan is plain data with text keys"),
        },
        Event::PhaseStarted { phase } => EventBody::PhaseStarted { phase: phase.to_string() },
        Event::StepStarted { step, title, undo } => {
            EventBody::StepStarted { step: step.clone(), title: title.clone(), undo: *undo }
        }
        Event::StepProgress { step, message, done, total } => EventBody::StepProgress {
            step: step.clone(),
            message: message.clone(),
            done: *done,
            total: *total,
        },
        Event::CheckFinished { check } => EventBody::CheckFinished {
            check: check.check.clone(),
            outcome: word(&check.outcome),
            expected: check.expected.clone(),
            actual: check.actual.clone(),
            owner: check.owner.clone(),
            hint: check.hint.clone(),
            duration_ms: check.duration_ms,
        },
        Event::LoadFinished { report } => EventBody::LoadFinished { load: report.clone() },
        Event::StepFinished { step, status, summary, seconds, failure } => EventBody::StepFinished {
            step: step.clone(),
            status: word(status),
            summary: summary.clone(),
            seconds: *seconds,
            failure: failure.as_ref().map(failure_view),
        },
        Event::PhaseFinished { phase, status, seconds } => {
            EventBody::PhaseFinished { phase: phase.to_string(), status: word(status), seconds: *seconds }
        }
    }
}

/// `run.finished` of a report.
pub fn run_finished(report: &RunReport) -> RunFinished {
    let steps = |steps: &[StepReport]| {
        let view = |step: &StepReport| StepView {
            step: step.step.clone(),
            status: word(&step.status),
            summary: step.summary.clone(),
            seconds: step.seconds,
        };
        steps.iter().map(view).collect::<Vec<_>>()
    };
    let phases = report.phases.iter().map(|phase| PhaseView {
        phase: phase.phase.to_string(),
        status: word(&phase.status),
        seconds: phase.seconds,
        steps: steps(&phase.steps),
    });
    RunFinished {
        verb: report.verb.clone(),
        ending: word(&report.ending),
        exit_code: report.exit_code,
        release: report
            .release
            .as_ref()
            .map(|target| ReleaseView::new(&target.id, target.commit.clone(), target.digest.clone())),
        phases: phases.collect(),
        recovery: steps(&report.recovery),
        failure: report.failure.as_ref().map(failure_view),
        next: report.next.clone(),
        report: None,
    }
}

/// `run.finished` of a run that was refused before it had a plan.
pub fn refused(verb: &str, ending: Ending, error: &Error) -> RunFinished {
    RunFinished {
        verb: verb.to_owned(),
        ending: word(&ending),
        exit_code: error.exit.code(),
        release: None,
        phases: Vec::new(),
        recovery: Vec::new(),
        failure: Some(FailureView {
            class: word(&FailureClass::Refused),
            message: error.message.clone(),
            hint: error.hint.clone(),
            detail: Vec::new(),
        }),
        next: None,
        report: None,
    }
}

/// The words of these enums are part of the format; a renamed variant must not slip through.
#[cfg(test)]
mod tests {
    use phases::engine::event::{PhaseStatus, StepStatus};
    use phases::engine::failure::CheckOutcome;

    use super::*;

    #[test]
    fn the_words_of_the_contract_stand() {
        assert_eq!(word(&Ending::RolledBack), "rolled_back");
        assert_eq!(word(&PhaseStatus::NotRun), "not_run");
        assert_eq!(word(&StepStatus::UndoFailed), "undo_failed");
        assert_eq!(word(&CheckOutcome::Errored), "errored");
    }

    #[test]
    fn an_event_line_has_the_fields_of_the_contract_in_one_object() {
        let line = EventLine {
            schema: 1,
            body: EventBody::PhaseStarted { phase: "build".to_owned() },
            at: "2026-01-01T00:00:00.000Z".to_owned(),
            run: "r".to_owned(),
            environment: "local".to_owned(),
        };
        let text = serde_json::to_string(&line).unwrap();
        assert_eq!(
            text,
            r#"{"schema":1,"event":"phase.started","phase":"build","at":"2026-01-01T00:00:00.000Z","run":"r","environment":"local"}"#
        );
    }
}
