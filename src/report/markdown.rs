//! Markdown as GitHub shows it, made for a step summary: what needs somebody first, the rest folded away.

use phases::engine::event::{PhaseStatus, StepStatus};
use phases::engine::failure::CheckOutcome;

use super::grouped::{Seen, by_owner};
use super::result::{Changes, LoadView, Mood, RunResult, StepResult};
use super::{json, summary};
use crate::terminal::seconds;

/// Bytes of checks that failed, and of those that passed; GitHub refuses summaries above 1 MiB.
const ROOM: usize = 200_000;
/// Log lines of a failure.
const DETAIL_LINES: usize = 50;
/// Characters of any text, steps, and migrations.
const LONGEST: usize = 400;
const STEPS: usize = 200;
const MIGRATIONS: usize = 60;

/// The document.
pub fn render(result: &RunResult) -> String {
    let mut text = String::new();
    head(&mut text, result);
    cause(&mut text, result);
    unmet(&mut text, result);
    ways_on(&mut text, result);
    facts(&mut text, result);
    phases(&mut text, result);
    result.loads.values().for_each(|load| load_table(&mut text, load));
    if let Some(changes) = &result.changes {
        change_list(&mut text, changes);
    }
    passed(&mut text, result);
    text
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

fn head(text: &mut String, result: &RunResult) {
    let mark = match result.mood() {
        Mood::Good => "✅",
        Mood::Open => "⚠️",
        Mood::Bad => "❌",
    };
    line(text, &format!("## {mark} {}\n", escape(&summary::headline(result))));
}

fn cause(text: &mut String, result: &RunResult) {
    let Some(failure) = &result.failure else { return };
    line(text, &format!("**Cause:** {}\n", prose(&failure.message)));
    if let Some(hint) = &failure.hint {
        line(text, &format!("**Hint:** {}\n", prose(hint)));
    }
    if !failure.detail.is_empty() {
        line(text, "<details><summary>Detail</summary>\n");
        let left = failure.detail.len().saturating_sub(DETAIL_LINES);
        block(text, failure.detail.iter().skip(left).map(|line| cut(line)).collect::<Vec<_>>().iter());
        line(text, "</details>\n");
    }
}

/// A code block that its content cannot end.
fn block<'l>(text: &mut String, lines: impl Iterator<Item = &'l String> + Clone) {
    let longest = lines.clone().flat_map(|line| line.split(|c| c != '`')).map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    line(text, &format!("{fence}text"));
    lines.for_each(|one| line(text, one));
    line(text, &format!("{fence}\n"));
}

fn unmet(text: &mut String, result: &RunResult) {
    let mut room = ROOM;
    for group in by_owner(result).iter().filter(|group| !group.unmet.is_empty()) {
        line(text, &format!("### For {}\n", escape(&group.title())));
        rows(text, &group.unmet, &mut room);
    }
}

/// Rows as long as there is room for them.
fn rows(text: &mut String, checks: &[Seen<'_>], room: &mut usize) {
    line(text, "| | check | step | expected | actual | next |\n|---|---|---|---|---|---|");
    let mut shown = 0;
    for row in checks.iter().map(|check| row(check)) {
        *room = room.saturating_sub(row.len());
        if *room == 0 {
            break;
        }
        line(text, &row);
        shown += 1;
    }
    text.push('\n');
    if shown < checks.len() {
        line(text, &format!("and {} more in `run.json`\n", checks.len() - shown));
    }
}

fn row(check: &Seen<'_>) -> String {
    let mark = match check.outcome {
        CheckOutcome::Passed if check.hint.is_some() => "⚠️",
        CheckOutcome::Passed => "✅",
        CheckOutcome::Failed => "❌",
        CheckOutcome::Errored => "❓",
    };
    let hint = check.hint.as_deref().unwrap_or("");
    let cells = [&check.check, check.step, check.expected(), &check.actual(), hint].map(prose);
    format!("| {mark} | {} |", cells.join(" | "))
}

fn ways_on(text: &mut String, result: &RunResult) {
    if let Some(next) = &result.next {
        let other = result.alternative.as_ref().map_or(String::new(), |other| format!(" or {}", code(other)));
        line(text, &format!("**Next:** {}{other}\n", code(next)));
    }
    if !result.contacts.is_empty() {
        let who: Vec<String> =
            result.contacts.iter().map(|(role, who)| format!("{}: {}", escape(role), escape(who))).collect();
        line(text, &format!("**Contacts:** {}\n", who.join(" · ")));
    }
}

fn facts(text: &mut String, result: &RunResult) {
    line(text, "| | |\n|---|---|");
    let mut fact = |name: &str, value: &str| line(text, &format!("| {name} | {value} |"));
    fact("environment", &escape(&result.environment));
    fact("run", &format!("{} ({})", code(&result.run), escape(&result.verb)));
    if let Some(release) = &result.release {
        fact("release", &code(&release.id));
    }
    if let Some(previous) = &result.previous {
        fact("before", &code(&previous.id));
    }
    let by = result.actor.as_ref().map_or(String::new(), |actor| format!(" by {}", escape(actor)));
    fact("began", &format!("{}{by}", escape(&result.started_at)));
    fact("took", &seconds(result.worked()));
    for pause in &result.pauses {
        let said = format!("{}, then taken over by {}", seconds(pause.seconds), escape(&pause.ended_by));
        fact("pause", &said);
    }
    if let Some(address) = &result.address {
        fact("address", &escape(address));
    }
    text.push('\n');
}

fn phases(text: &mut String, result: &RunResult) {
    if result.phases.is_empty() {
        return;
    }
    line(text, "| | phase | took | |\n|---|---|--:|---|");
    for phase in &result.phases {
        let (mark, word) = match phase.status {
            Some(PhaseStatus::Done) => ("✅", ""),
            Some(PhaseStatus::Unchanged) => ("✅", "unchanged"),
            Some(PhaseStatus::Skipped) => ("⏭️", "skipped"),
            Some(PhaseStatus::Failed) => ("❌", "failed"),
            Some(PhaseStatus::NotRun) => ("➖", "not run"),
            None => ("❓", "unfinished"),
        };
        let said = prose(phase.said());
        let parts = [word, &said].into_iter().filter(|part| !part.is_empty());
        let said = parts.collect::<Vec<_>>().join(": ");
        line(text, &format!("| {mark} | {} | {} | {said} |", phase.phase, seconds(phase.seconds())));
    }
    text.push('\n');
    line(text, "<details><summary>Steps</summary>\n");
    line(text, "| step | | took | |\n|---|---|--:|---|");
    result.steps().take(STEPS).for_each(|step| line(text, &step_row(step)));
    line(text, "\n</details>\n");
}

fn step_row(step: &StepResult) -> String {
    let status: Option<StepStatus> = step.status;
    let word = status.map_or("unfinished".to_owned(), |status| json::word(&status).replace('_', " "));
    format!("| {} | {word} | {} | {} |", escape(&step.step), seconds(step.seconds), prose(&step.summary))
}

fn load_table(text: &mut String, load: &LoadView) {
    line(text, &format!("### Load: {:.0}/s, {}\n", load.rate_reached, load.counts()));
    for reason in &load.invalid {
        line(text, &format!("**The figures are not the server's:** {}\n", escape(reason)));
    }
    let figure = |value: Option<f64>| value.map_or("–".to_owned(), |ms| format!("{ms:.1}"));
    line(text, "| milliseconds from due time | sent | p50 | p95 | p99 | max |\n|---|--:|--:|--:|--:|--:|");
    for route in std::iter::once(&load.total).chain(load.routes.iter().take(STEPS)) {
        let latency = &route.response;
        let figures =
            [latency.p50_ms, latency.p95_ms, latency.p99_ms, latency.max_ms].map(figure).join(" | ");
        line(text, &format!("| {} | {} | {figures} |", escape(&route.check), route.sent));
    }
    text.push('\n');
}

fn change_list(text: &mut String, changes: &Changes) {
    line(text, if changes.taken_back { "### What was taken back\n" } else { "### What changed\n" });
    match &changes.commits_unknown {
        Some(cause) => line(text, &format!("- commits not known: {}", escape(cause))),
        None if changes.commits.is_empty() => line(text, "- no commit"),
        None => {}
    }
    for commit in &changes.commits {
        let by = escape(&commit.author);
        line(text, &format!("- {} {} ({by})", code(&commit.id), escape(&commit.subject)));
    }
    if changes.more_commits > 0 {
        line(text, &format!("- and {} more", changes.more_commits));
    }
    let migrations =
        changes.migrations.iter().take(MIGRATIONS).map(|name| escape(name)).collect::<Vec<_>>().join(", ");
    line(text, &format!("- migrations: {}", if migrations.is_empty() { "none" } else { &migrations }));
    let configuration = match changes.configuration_changed {
        Some(true) => "changed",
        Some(false) => "the same",
        None => "not known",
    };
    line(text, &format!("- configuration: {configuration}\n"));
}

fn passed(text: &mut String, result: &RunResult) {
    let mut room = ROOM;
    for group in by_owner(result).iter().filter(|group| !group.passed.is_empty()) {
        line(text, &format!("<details><summary>{}: {}</summary>\n", html(&group.title()), group.counts()));
        rows(text, &group.passed, &mut room);
        line(text, "</details>\n");
    }
}

/// Code that its content cannot end; a `|` is escaped for tables.
fn code(text: &str) -> String {
    format!("`{}`", cut(text).replace('`', "'").replace('|', "\\|").replace('\n', " "))
}

/// Free text whose parts in backticks are code.
fn prose(text: &str) -> String {
    let text = cut(text);
    if text.matches('`').count() % 2 == 1 {
        return escape(&text);
    }
    let parts = text.split('`').enumerate();
    let part = |(index, part): (usize, &str)| match (index % 2, part) {
        (1, "") => escape("``"),
        (1, part) => code(part),
        _ => escape(part),
    };
    parts.map(part).collect()
}

/// Free text: nothing in it is markup, and it stays on its line.
fn escape(text: &str) -> String {
    let text = &cut(text);
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '~' | '|' | '!' => {
                out.push('\\');
                out.push(c);
            }
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\n' | '\r' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// A text in a length that a summary can bear.
fn cut(text: &str) -> String {
    let mut characters = text.chars();
    let beginning: String = characters.by_ref().take(LONGEST).collect();
    if characters.next().is_some() { format!("{beginning}…") } else { beginning }
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
