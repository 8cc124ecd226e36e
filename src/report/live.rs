//! A run while it runs: bars and one line per phase for a watcher, one line per step in a pipe, one event per
//! line for machines. It decides what is said; `terminal` says it.

use std::collections::BTreeMap;
use std::sync::Mutex;

use indicatif::ProgressBar;
use phases::engine::event::{Event, PhaseStatus, StepStatus};
use phases::engine::failure::{CheckEvidence, CheckOutcome};
use phases::plan::{Intent, Phase, Plan};

use super::json::{self, EventLine};
use super::table;
use crate::terminal::fold::fold;
use crate::terminal::{self, Terminal, Verbosity, seconds};

/// Tells a run to whoever watches.
pub struct Live<'t> {
    terminal: &'t Terminal,
    run: Mutex<String>,
    environment: String,
    state: Mutex<State>,
}

/// What has been seen so far.
#[derive(Default)]
struct State {
    plan: Option<Plan>,
    phase: Option<Phase>,
    bar: Option<ProgressBar>,
    checks: BTreeMap<String, Vec<CheckEvidence>>,
    summaries: Vec<String>,
}

impl<'t> Live<'t> {
    /// A reporter for one run.
    pub fn new(terminal: &'t Terminal, run: &str, environment: &str) -> Self {
        let state = Mutex::default();
        Self { terminal, run: Mutex::new(run.to_owned()), environment: environment.to_owned(), state }
    }

    /// From here on the news is of this run: one that was begun by another process.
    pub fn speak_of(&self, run: &str) {
        run.clone_into(&mut self.run.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }

    fn run(&self) -> String {
        self.run.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Takes one event.
    pub fn tell(&self, event: &Event) {
        if self.terminal.json {
            self.tell_machine(json::event_body(event));
        } else {
            self.tell_person(event);
        }
    }

    /// Prints one event line.
    pub fn tell_machine(&self, body: json::EventBody) {
        let line = EventLine {
            schema: 1,
            body,
            at: json::now(),
            run: self.run(),
            environment: self.environment.clone(),
        };
        match serde_json::to_string(&line) {
            Ok(text) => self.terminal.data(&text),
            Err(error) => tracing::error!(%error, "an event could not be written"),
        }
    }

    fn tell_person(&self, event: &Event) {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match event {
            Event::RunStarted { verb, .. } => {
                let paint = self.terminal.paint;
                self.say(&format!("{} {}  {}", paint.bold(verb), self.environment, paint.dim(&self.run())));
            }
            Event::PlanReady { plan } => {
                self.say_target(plan);
                state.plan = Some((**plan).clone());
            }
            Event::PhaseStarted { phase } => {
                state.phase = Some(*phase);
                state.summaries.clear();
                state.bar = self.terminal.spinner(phase.as_str());
            }
            Event::StepStarted { title, .. } => state.message(title),
            Event::StepProgress { message, done, total, .. } => match (message, done, total) {
                (Some(message), ..) => state.message(message),
                (None, Some(done), Some(total)) => state.count(*done, *total),
                _ => {}
            },
            Event::CheckFinished { check } => {
                let group = check.check.split('/').next().unwrap_or("").to_owned();
                state.checks.entry(group).or_default().push(check.clone());
            }
            Event::LoadFinished { .. } => {}
            Event::StepFinished { step, status, summary, seconds: took, failure } => {
                self.step_finished(&mut state, step, *status, summary, *took);
                if let Some(failure) = failure {
                    state.summaries.push(failure.message.clone());
                }
            }
            Event::PhaseFinished { phase, status, seconds: took } => {
                self.phase_finished(&mut state, *phase, *status, *took);
            }
        }
    }

    fn step_finished(&self, state: &mut State, step: &str, status: StepStatus, summary: &str, took: f64) {
        if matches!(status, StepStatus::Done | StepStatus::Unchanged) && !summary.is_empty() {
            // The steps that say what their phase is about speak for it; any other only when none of them ran.
            let about = matches!(step, "deploy.shift" | "rollback.shift" | "migrate.apply");
            let place = if about || state.summaries.is_empty() { state.summaries.len() } else { 0 };
            state.summaries.insert(place, summary.to_owned());
        }
        let undone = matches!(status, StepStatus::Undone | StepStatus::UndoFailed);
        // After the phases only the way back is left; no phase line will speak for it.
        let aside = state.phase.is_none();
        let failed = status == StepStatus::Failed;
        let wanted = !self.terminal.has_bars()
            || self.terminal.verbosity == Verbosity::Verbose
            || undone
            || aside && failed;
        if wanted && self.terminal.verbosity != Verbosity::Quiet {
            let mark = self.mark(status);
            let word =
                if undone { format!(" ({})", json::word(&status).replace('_', " ")) } else { String::new() };
            let line = format!("  {mark} {step:<24} {:>7}  {summary}{word}", seconds(took));
            self.say(line.trim_end());
        }
        if aside {
            self.say_checks(
                state,
                Phase::Rollback,
                if failed { PhaseStatus::Failed } else { PhaseStatus::Done },
            );
        }
    }

    fn phase_finished(&self, state: &mut State, phase: Phase, status: PhaseStatus, took: f64) {
        if let Some(bar) = state.bar.take() {
            bar.finish_and_clear();
        }
        state.phase = None;
        self.say_checks(state, phase, status);
        let paint = self.terminal.paint;
        let (mark, text) = match status {
            PhaseStatus::Done => (paint.green("✓"), state.summaries.last().cloned().unwrap_or_default()),
            PhaseStatus::Unchanged => (paint.green("="), reason(state.plan.as_ref(), phase)),
            PhaseStatus::Skipped => (paint.yellow("-"), reason(state.plan.as_ref(), phase)),
            PhaseStatus::Failed => (paint.red("✗"), state.summaries.last().cloned().unwrap_or_default()),
            PhaseStatus::NotRun => return,
        };
        let text = if phase == Phase::Preflight && status == PhaseStatus::Done {
            "all met".to_owned()
        } else {
            text
        };
        let head = format!("{mark} {:<9} {:>7}  ", phase.as_str(), seconds(took));
        let line = format!("{head}{text}");
        for line in fold(line.trim_end(), self.terminal.width(), console::measure_text_width(&head)) {
            self.say(&line);
        }
    }

    /// Checks are shown when somebody asked for them, or when there is something to see.
    fn say_checks(&self, state: &mut State, phase: Phase, status: PhaseStatus) {
        let seen: Vec<CheckEvidence> = std::mem::take(&mut state.checks).into_values().flatten().collect();
        let alone =
            state.plan.as_ref().is_some_and(|plan| plan.verb == phase.as_str() && plan.phases.len() == 1);
        let all = alone || status == PhaseStatus::Failed || self.terminal.verbosity == Verbosity::Verbose;
        let notable = |check: &CheckEvidence| check.outcome != CheckOutcome::Passed || check.hint.is_some();
        let always = phase == Phase::Perf;
        let chosen: Vec<CheckEvidence> =
            seen.into_iter().filter(|check| all || always || notable(check)).collect();
        for line in table::checks(&chosen, self.terminal.width().saturating_sub(2), self.terminal.paint) {
            self.say(&format!("  {line}"));
        }
    }

    fn say_target(&self, plan: &Plan) {
        let paint = self.terminal.paint;
        if let Some(target) = &plan.target {
            let before = plan.previous.as_ref().map_or(String::new(), |id| format!("  before: {id}"));
            self.say(&format!("release {}{}", paint.bold(target.id.as_str()), paint.dim(&before)));
        }
    }

    fn mark(&self, status: StepStatus) -> String {
        let paint = self.terminal.paint;
        match status {
            StepStatus::Done => paint.green("✓"),
            StepStatus::Unchanged => paint.green("="),
            StepStatus::Undone => paint.yellow("↩"),
            StepStatus::Failed | StepStatus::UndoFailed => paint.red("✗"),
        }
    }

    fn say(&self, line: &str) {
        if self.terminal.verbosity != Verbosity::Quiet {
            self.terminal.line(line);
        }
    }
}

impl State {
    fn count(&self, done: u64, total: u64) {
        if let Some(bar) = &self.bar {
            terminal::as_bar(bar, done, total);
        }
    }

    fn message(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(text.to_owned());
        }
    }
}

/// Why a phase did not run, as the plan says.
fn reason(plan: Option<&Plan>, phase: Phase) -> String {
    let planned = plan.and_then(|plan| plan.phases.iter().find(|planned| planned.phase == phase));
    match planned.map(|planned| &planned.intent) {
        Some(Intent::Unchanged { because }) => because.clone(),
        Some(Intent::Skipped { reason }) => format!("skipped: {reason}"),
        Some(Intent::Run | Intent::NotRun) | None => "unchanged".to_owned(),
    }
}
