//! A past run on the screen: how it ended, phases, checks that need somebody, what changed, the next command.

use phases::engine::event::PhaseStatus;
use phases::engine::failure::CheckEvidence;

use super::result::{Changes, LoadView, PhaseResult, RunResult};
use super::{grouped, json, summary, table};
use crate::terminal::{Paint, seconds};

/// The lines, checks no wider than `width` columns.
pub fn lines(result: &RunResult, width: usize, paint: Paint) -> Vec<String> {
    let mut lines = vec![summary::painted(result, paint)];
    lines.push(format!("run      {} ({} {})", result.run, result.verb, result.environment));
    let by = result.actor.as_ref().map_or(String::new(), |actor| format!(" by {actor}"));
    lines.push(format!("began    {}{by}", result.started_at));
    for pause in &result.pauses {
        lines.push(format!("pause    {}, then taken over by {}", seconds(pause.seconds), pause.ended_by));
    }
    lines.extend(result.held_by.iter().map(|holder| format!("at work  {holder}")));
    lines.extend(result.release.iter().map(|release| format!("release  {}", release.id)));
    lines.extend(result.previous.iter().map(|release| format!("before   {}", release.id)));
    lines.extend(summary::cause(result, paint));
    lines.extend(result.phases.iter().flat_map(|phase| phase_lines(phase, paint)));
    if !result.recovery.is_empty() {
        lines.push("taken back:".to_owned());
        lines.extend(result.recovery.iter().map(|step| step_line(step, paint)));
    }
    lines.extend(check_lines(result, width, paint));
    lines.extend(result.loads.values().flat_map(load_lines));
    lines.extend(result.changes.as_ref().map(change_lines).unwrap_or_default());
    lines.extend(summary::ways_on(result));
    lines
}

fn phase_lines(phase: &PhaseResult, paint: Paint) -> Vec<String> {
    let mark = match phase.status {
        Some(PhaseStatus::Done) => paint.green("✓"),
        Some(PhaseStatus::Unchanged) => paint.green("="),
        Some(PhaseStatus::Skipped) => paint.yellow("-"),
        Some(PhaseStatus::Failed) => paint.red("✗"),
        Some(PhaseStatus::NotRun) => return Vec::new(),
        None => paint.yellow("?"),
    };
    let reason = phase.reason.as_deref().unwrap_or("");
    let head = format!("{mark} {:<9} {:>7}  {reason}", phase.phase.as_str(), seconds(phase.seconds()));
    let mut lines = vec![head.trim_end().to_owned()];
    lines.extend(phase.steps.iter().map(|step| step_line(step, paint)));
    lines
}

fn step_line(step: &super::result::StepResult, paint: Paint) -> String {
    let status = step.status.map_or("unfinished".to_owned(), |status| json::word(&status).replace('_', " "));
    let status = format!("{status:<11}");
    let shown = match status.trim_end() {
        "failed" | "undo failed" => paint.red(&status),
        "unfinished" | "undone" => paint.yellow(&status),
        _ => paint.dim(&status),
    };
    format!("  {shown} {:<24} {:>7}  {}", step.step, seconds(step.seconds), step.summary)
        .trim_end()
        .to_owned()
}

/// What failed and what is worth knowing, by owner; of the rest only the number.
fn check_lines(result: &RunResult, width: usize, paint: Paint) -> Vec<String> {
    let mut lines = Vec::new();
    for group in grouped::by_owner(result) {
        lines.push(paint.bold(&format!("checks of {}: {}", group.title(), group.counts())));
        let warnings = group.passed.iter().filter(|check| check.is_warning());
        let shown: Vec<CheckEvidence> =
            group.unmet.iter().chain(warnings).map(|check| CheckEvidence::from(&**check)).collect();
        let rows = table::checks(&shown, width.saturating_sub(2), paint);
        lines.extend(rows.into_iter().map(|line| format!("  {line}")));
    }
    lines
}

fn load_lines(load: &LoadView) -> Vec<String> {
    let figure = |value: Option<f64>| value.map_or("-".to_owned(), |ms| format!("{ms:.1} ms"));
    let all = &load.total.response;
    let mut lines = vec![format!(
        "load: p50 {}, p95 {}, p99 {} at {:.0}/s, {}",
        figure(all.p50_ms),
        figure(all.p95_ms),
        figure(all.p99_ms),
        load.rate_reached,
        load.counts()
    )];
    lines.extend(load.invalid.iter().map(|reason| format!("  INVALID: {reason}")));
    lines
}

fn change_lines(changes: &Changes) -> Vec<String> {
    let word = if changes.taken_back { "takes back" } else { "brings" };
    let count = changes.commits.len() as u64 + changes.more_commits;
    let mut lines = match &changes.commits_unknown {
        Some(cause) => vec![format!("{word}: commits not known, {cause}")],
        None => vec![format!("{word}: {count} {}", if count == 1 { "commit" } else { "commits" })],
    };
    lines.extend(changes.commits.iter().map(|commit| format!("  {} {}", commit.id, commit.subject)));
    if changes.more_commits > 0 {
        lines.push(format!("  and {} more", changes.more_commits));
    }
    lines.extend(changes.migrations.iter().map(|name| format!("  migration {name}")));
    if changes.configuration_changed == Some(true) {
        lines.push("  another configuration".to_owned());
    }
    lines
}
