//! Checks by owner: what failed as cards above the fold, what passed as tables that can be folded.

use maud::{Markup, html};
use phases::engine::failure::CheckOutcome;

use super::room::Room;
use super::{cut, prose};
use crate::report::grouped::{Group, Seen, by_owner};
use crate::report::result::RunResult;

/// Bytes of rows on the page, for what failed and for what passed.
const ROOM: usize = 90_000;

pub(super) fn unmet(result: &RunResult) -> Markup {
    let mut room = Room::of(ROOM);
    html! {
        @for group in by_owner(result).iter().filter(|group| !group.unmet.is_empty()) {
            section.unmet {
                h2 { "For " (cut(&group.title())) }
                (table(&group.unmet, &mut room))
            }
        }
    }
}

pub(super) fn passed(result: &RunResult) -> Markup {
    let groups = by_owner(result);
    let mut room = Room::of(ROOM);
    if groups.iter().all(|group| group.passed.is_empty()) {
        return html! {};
    }
    html! {
        section {
            h2 { "Checks that passed" }
            @for group in groups.iter().filter(|group| !group.passed.is_empty()) {
                details open { summary { (cut(&group.title())) " " span.count { (count(group)) } }
                    (table(&group.passed, &mut room))
                }
            }
        }
    }
}

fn count(group: &Group<'_>) -> String {
    let warnings = group.passed.iter().filter(|check| check.is_warning()).count();
    match warnings {
        0 => format!("{} passed", group.passed.len()),
        n => format!("{} passed, {n} worth knowing", group.passed.len()),
    }
}

/// Rows as long as there is room for them.
fn table(checks: &[Seen<'_>], room: &mut Room) -> Markup {
    let (rows, left) = room.fill(checks.iter().map(|check| row(check)));
    html! {
        table {
            thead { tr { th { "check" } th { "expected" } th { "actual" } } }
            tbody { (rows) }
        }
        @if left > 0 { p.more { "and " (left) " more in " code { "run.json" } } }
    }
}

fn row(check: &Seen<'_>) -> Markup {
    let (class, mark, word) = match check.outcome {
        CheckOutcome::Passed if check.hint.is_some() => ("warn", "!", "passed, worth knowing"),
        CheckOutcome::Passed => ("ok", "✓", "passed"),
        CheckOutcome::Failed => ("no", "✗", "failed"),
        CheckOutcome::Errored => ("no", "?", "could not run"),
    };
    html! {
        tr {
            th scope="row" {
                span class=(format!("dot {class}")) title=(word) { (mark) } " " (cut(&check.check)) " " small { (check.step) }
            }
            td data-name="expected" { (prose(check.expected())) }
            td data-name="actual" {
                (prose(&check.actual()))
                @if let Some(hint) = &check.hint { div.hint { "→ " (prose(hint)) } }
            }
        }
    }
}
