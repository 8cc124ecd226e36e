//! The time line: a bar per step on a common axis, phases as headings, pauses where nobody was at work.

use maud::{Markup, html};
use phases::engine::event::{PhaseStatus, StepStatus};

use super::room::Room;
use super::{cut, prose};
use crate::report::axis::Axis;
use crate::report::json;
use crate::report::result::{PhaseResult, RunResult, StepResult};
use crate::terminal::seconds;

/// Narrowest bar in percent: what took no time must still be seen.
const NARROWEST: f64 = 0.5;
/// Bytes of rows.
const ROOM: usize = 90_000;

pub(super) fn section(result: &RunResult) -> Markup {
    if result.phases.is_empty() && result.recovery.is_empty() {
        return html! {};
    }
    let (axis, mut room) = (Axis::up_to(result.seconds, 6), Room::of(ROOM));
    html! {
        section.timeline {
            h2 { "Time line, seconds" }
            div.axis aria-hidden="true" {
                span {}
                div.scale {
                    @for tick in &axis.ticks {
                        span style=(format!("left:{:.2}%", axis.place(*tick) * 100.0)) {
                            (axis.label(*tick))
                        }
                    }
                }
                span {}
            }
            @for phase in &result.phases { (phase_rows(phase, &axis, &mut room)) }
            @for pause in &result.pauses {
                div.row {
                    span.name { "pause" }
                    div.track { (bar("pause", pause.begin, pause.seconds, &axis)) }
                    span.took { (seconds(pause.seconds)) }
                    span.said { "its process was gone; taken over by " (cut(&pause.ended_by)) }
                }
            }
            @if !result.recovery.is_empty() {
                h3 { "Taken back" }
                (rows(&result.recovery, &axis, &mut room))
            }
        }
    }
}

fn phase_rows(phase: &PhaseResult, axis: &Axis, room: &mut Room) -> Markup {
    let (class, word) = match phase.status {
        Some(PhaseStatus::Done) => ("ok", "done"),
        Some(PhaseStatus::Unchanged) => ("same", "unchanged"),
        Some(PhaseStatus::Skipped) => ("warn", "skipped"),
        Some(PhaseStatus::Failed) => ("no", "failed"),
        Some(PhaseStatus::NotRun) => ("off", "not run"),
        None => ("warn", "unfinished"),
    };
    html! {
        h3 {
            (phase.phase) " " span class=(format!("chip {class}")) { (word) }
            @if let Some(reason) = &phase.reason { small { (cut(reason)) } }
            @if !phase.steps.is_empty() { span.sum { (seconds(phase.seconds())) } }
        }
        (rows(&phase.steps, axis, room))
    }
}

fn rows(steps: &[StepResult], axis: &Axis, room: &mut Room) -> Markup {
    let (rows, left_out) = room.fill(steps.iter().map(|step| row(step, axis)));
    html! {
        (rows)
        @if left_out > 0 { p.more { "and " (left_out) " more in " code { "run.json" } } }
    }
}

fn row(step: &StepResult, axis: &Axis) -> Markup {
    let class = match step.status {
        Some(StepStatus::Done) => "ok",
        Some(StepStatus::Unchanged) => "same",
        Some(StepStatus::Failed | StepStatus::UndoFailed) => "no",
        Some(StepStatus::Undone) | None => "warn",
    };
    let word = step.status.map_or("unfinished".to_owned(), |status| json::word(&status).replace('_', " "));
    let said = if step.summary.is_empty() { &step.title } else { &step.summary };
    html! {
        div.row title=(cut(&step.title)) {
            span.name { (name(&step.step)) }
            div.track role="img" aria-label=(word) { (bar(class, step.begin, step.seconds, axis)) }
            span.took { (seconds(step.seconds)) }
            span.said {
                @if !matches!(step.status, Some(StepStatus::Done)) { b class=(class) { (word) } " " }
                (prose(said))
            }
        }
    }
}

/// On a phone the heading above is enough to tell the phase.
fn name(step: &str) -> Markup {
    match step.split_once('.') {
        Some((phase, word)) => html! { span.of { (phase) "." } (word) },
        None => html! { (cut(step)) },
    }
}

fn bar(class: &str, begin: f64, seconds: f64, axis: &Axis) -> Markup {
    let left = (axis.place(begin) * 100.0).min(100.0 - NARROWEST);
    let width = (axis.place(begin + seconds) * 100.0 - left).max(NARROWEST);
    html! { i class=(class) style=(format!("left:{left:.2}%;width:{width:.2}%")) {} }
}
