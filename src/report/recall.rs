//! The journal's records of one run → its result. What a process saw and the journal does not hold (loads, what
//! changed, whom to call) is put in by the caller.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use phases::engine::event::{Ending, StepStatus};
use phases::engine::failure::Failure;
use phases::engine::history;
use phases::engine::journal::{Kind, Record};
use phases::engine::resume;
use phases::engine::step::Step;
use phases::plan::{Intent, Phase, Plan};

use super::json::{self, ReleaseView};
use super::result::{Pause, PhaseResult, RunResult, StepResult};

mod evidence;
mod phase_status;
mod ways_on;

use evidence::{checks, holder, millis, rounded, summary, time};
use ways_on::{next, unfinished};

/// The result of `run` as the journal tells it; nothing when the journal has no such run.
pub fn recall(records: &[Record], run: &str) -> Option<RunResult> {
    let own: Vec<&Record> = records.iter().filter(|record| record.run == run).collect();
    let first = own.iter().find(|record| record.kind == Kind::Plan)?;
    let plan: Plan = serde_json::from_value(first.desired.clone()).ok()?;
    let progress = resume::replay(own.iter().copied()).ok();
    let is_aside = |step: &&Step| progress.as_ref().is_some_and(|progress| progress.is_aside(&step.id.0));
    let aside = plan.steps().filter(is_aside).map(|step| step.id.0.clone()).collect();
    let mut story = Story::new(&plan, first, aside);
    own.iter().for_each(|record| story.take(record));
    story.end(records, &own)
}

/// A run being read.
struct Story<'p> {
    plan: &'p Plan,
    start: DateTime<Utc>,
    /// Where the last record ended, in seconds after the start.
    now: f64,
    /// Steps under way: when they began.
    open: Vec<(String, bool, f64)>,
    steps: Vec<StepResult>,
    recovery: Vec<StepResult>,
    pauses: Vec<Pause>,
    ending: Option<Ending>,
    exit_code: Option<u8>,
    failure: Option<Failure>,
    digest: Option<String>,
    taken_back: bool,
    /// Steps whose failure is told and stops nothing.
    aside: BTreeSet<String>,
}

impl<'p> Story<'p> {
    fn new(plan: &'p Plan, first: &Record, aside: BTreeSet<String>) -> Self {
        Self {
            plan,
            aside,
            start: time(&first.at).unwrap_or_default(),
            now: 0.0,
            open: Vec::new(),
            steps: Vec::new(),
            recovery: Vec::new(),
            pauses: Vec::new(),
            ending: None,
            exit_code: None,
            failure: None,
            digest: None,
            taken_back: false,
        }
    }

    /// Seconds after the start; a clock that was set back counts as standing still.
    fn at(&self, record: &Record) -> f64 {
        let since = time(&record.at).map_or(self.now, |at| millis(at - self.start));
        since.max(self.now)
    }

    fn take(&mut self, record: &Record) {
        let at = self.at(record);
        let step = record.step.as_deref().unwrap_or_default();
        match record.kind {
            Kind::Intent => self.begin(step, false),
            Kind::UndoIntent => self.begin(step, true),
            Kind::Done | Kind::Failed => self.finish(record, step, false, at),
            Kind::UndoDone | Kind::UndoFailed => self.finish(record, step, true, at),
            Kind::Adopt => self.adopt(record, at),
            Kind::End => {
                self.ending = serde_json::from_value(record.evidence["ending"].clone()).ok();
                self.exit_code = serde_json::from_value(record.evidence["exit_code"].clone()).ok();
                self.failure = serde_json::from_value(record.evidence["failure"].clone()).ok();
            }
            Kind::Plan | Kind::Verdict | Kind::Interrupted => {}
        }
        self.now = at;
    }

    /// A step begins where the record before it ended: the loop does nothing in between.
    fn begin(&mut self, step: &str, undo: bool) {
        if !self.open.iter().any(|(open, undoing, _)| open == step && *undoing == undo) {
            self.open.push((step.to_owned(), undo, self.now));
        }
    }

    fn finish(&mut self, record: &Record, step: &str, undo: bool, at: f64) {
        let found = self.open.iter().position(|(open, undoing, _)| open == step && *undoing == undo);
        let begun = found.map(|index| self.open.remove(index).2);
        let status = match record.kind {
            Kind::Done if begun.is_none() && self.acts(step) => StepStatus::Unchanged,
            Kind::Done => StepStatus::Done,
            Kind::UndoDone => StepStatus::Undone,
            Kind::UndoFailed => StepStatus::UndoFailed,
            _ => StepStatus::Failed,
        };
        if step == "build.backend" {
            self.digest = record.evidence["facts"]["digest"].as_str().map(str::to_owned);
        }
        let failure: Option<Failure> = serde_json::from_value(record.evidence["failure"].clone()).ok();
        let begin = begun.unwrap_or(self.now);
        self.push(
            undo,
            StepResult {
                step: step.to_owned(),
                title: self.title(step, undo),
                status: Some(status),
                summary: summary(&record.evidence, failure.as_ref()),
                begin,
                seconds: rounded(at - begin),
                checks: checks(&record.evidence, failure.as_ref()),
                failure: failure.as_ref().map(json::failure_view),
            },
        );
    }

    fn push(&mut self, undo: bool, step: StepResult) {
        let recovers = [&self.plan.recovery.smoke, &self.plan.recovery.retire].into_iter().flatten();
        if undo || recovers.into_iter().any(|recovery| recovery.id.0 == step.step) {
            self.recovery.push(step);
        } else {
            self.steps.push(step);
        }
    }

    fn adopt(&mut self, record: &Record, at: f64) {
        let ended_by = holder(record);
        self.pauses.push(Pause { begin: self.now, seconds: rounded(at - self.now), ended_by });
        // Whatever was under way is looked at again from here on.
        self.open.iter_mut().for_each(|(_, _, begun)| *begun = at);
        self.taken_back |= record.desired["do"] == "unwind";
    }

    fn acts(&self, step: &str) -> bool {
        self.plan.step(step).is_some_and(|step| !step.action.is_observation())
    }

    fn title(&self, step: &str, undo: bool) -> String {
        let planned = self.plan.step(step);
        planned.map_or(String::new(), |step| if undo { step.undo.to_string() } else { step.title.clone() })
    }

    fn end(mut self, records: &[Record], own: &[&Record]) -> Option<RunResult> {
        let (first, last) = (own.first()?, own.last()?);
        self.leave_open();
        let name = &self.plan.environment;
        let (next, alternative) = match self.ending {
            None => unfinished(records, &first.run, name),
            Some(ending) => (Some(next(ending, self.exit_code, name)), None),
        };
        let phases: Vec<PhaseResult> = self.phases();
        let rolls_back = self.taken_back.then(|| Phase::Rollback.to_string());
        let target = self.plan.target.as_ref();
        Some(RunResult {
            schema: 1,
            run: first.run.clone(),
            environment: name.clone(),
            verb: rolls_back.unwrap_or_else(|| self.plan.verb.clone()),
            ending: self.ending,
            exit_code: self.exit_code,
            held_by: None,
            actor: Some(holder(first)),
            started_at: first.at.clone(),
            ended_at: last.at.clone(),
            seconds: self.now,
            last_record: last.seq,
            release: target.map(|target| {
                let digest = self.digest.clone().or(target.digest.clone());
                ReleaseView::new(&target.id, target.commit.clone(), digest)
            }),
            previous: self.plan.previous.as_ref().map(|id| {
                let known = history::known_releases(records).into_iter().find(|known| known.id == *id);
                let digest = known.as_ref().map(|known| known.digest.clone());
                ReleaseView::new(id, known.map(|known| known.commit), digest)
            }),
            changes: None,
            phases,
            recovery: self.recovery,
            pauses: self.pauses,
            loads: std::collections::BTreeMap::new(),
            failure: self.failure.as_ref().map(json::failure_view),
            next,
            alternative,
            owners: std::collections::BTreeMap::new(),
            contacts: std::collections::BTreeMap::new(),
            address: None,
            report: None,
        })
    }

    /// Steps whose outcome was never written.
    fn leave_open(&mut self) {
        for (step, undo, begin) in std::mem::take(&mut self.open) {
            let title = self.title(&step, undo);
            self.push(
                undo,
                StepResult {
                    step,
                    title,
                    status: None,
                    summary: "its outcome was not written".to_owned(),
                    begin,
                    seconds: rounded(self.now - begin),
                    failure: None,
                    checks: Vec::new(),
                },
            );
        }
    }

    fn phases(&mut self) -> Vec<PhaseResult> {
        let mut steps = std::mem::take(&mut self.steps);
        let mut phases = Vec::new();
        for (index, planned) in self.plan.phases.iter().enumerate() {
            let of_phase = |step: &StepResult| planned.steps.iter().any(|own| own.id.0 == step.step);
            let (own, rest): (Vec<_>, Vec<_>) = steps.into_iter().partition(of_phase);
            steps = rest;
            let later = self.plan.phases.iter().skip(index + 1).flat_map(|planned| &planned.steps);
            let whole =
                !planned.steps.is_empty() && planned.steps.iter().all(|step| self.is_over(&own, &step.id.0));
            let passed = whole
                || self.went_well()
                || later.into_iter().any(|step| steps.iter().any(|s| s.step == step.id.0));
            phases.push(PhaseResult {
                phase: planned.phase,
                status: self.status(planned, &own, passed),
                reason: reason(&planned.intent),
                steps: latest(own),
            });
        }
        phases
    }
}

/// A step that was tried again counts once, as it went the last time.
fn latest(steps: Vec<StepResult>) -> Vec<StepResult> {
    let mut latest: Vec<StepResult> = Vec::new();
    for step in steps {
        latest.retain(|earlier| earlier.step != step.step);
        latest.push(step);
    }
    latest
}

fn reason(intent: &Intent) -> Option<String> {
    match intent {
        Intent::Unchanged { because } => Some(because.clone()),
        Intent::Skipped { reason } => Some(reason.clone()),
        Intent::Run | Intent::NotRun => None,
    }
}
