//! Checks as a table for people: outcome, name, expected beside actual, owner, next action.

use console::{measure_text_width, truncate_str};
use phases::engine::failure::{CheckEvidence, CheckOutcome};

use crate::terminal::Paint;

/// Renders checks in lines no wider than `width` columns; hints stand on a line of their own.
pub fn checks(checks: &[CheckEvidence], width: usize, paint: Paint) -> Vec<String> {
    let name_width = checks.iter().map(|check| measure_text_width(&check.check)).max().unwrap_or(0);
    let owner_width =
        checks.iter().filter_map(|check| check.owner.as_ref()).map(String::len).max().unwrap_or(0);
    let mut lines = Vec::new();
    for check in checks {
        let mark = mark(check, paint);
        let owner = check.owner.as_deref().unwrap_or("");
        let head = format!("{mark} {:<name_width$}  {owner:<owner_width$}  ", check.check);
        let room = width.saturating_sub(measure_text_width(&head)).max(20);
        lines.push(format!("{head}{}", truncate_str(&said(check), room, "…")));
        if let Some(hint) = check.hint.as_deref() {
            lines.push(format!(
                "  {:<name_width$}  {:<owner_width$}  {}",
                "",
                "",
                paint.dim(&format!("→ {hint}"))
            ));
        }
    }
    lines
}

/// What a check saw; beside what was expected when the two differ.
fn said(check: &CheckEvidence) -> String {
    let actual = check.actual.as_deref().unwrap_or("");
    match (check.outcome, check.expected.as_deref()) {
        (CheckOutcome::Passed, _) | (_, None) => actual.to_owned(),
        (CheckOutcome::Failed | CheckOutcome::Errored, Some(expected)) => {
            format!("expected {expected}, got {actual}")
        }
    }
}

fn mark(check: &CheckEvidence, paint: Paint) -> String {
    match check.outcome {
        CheckOutcome::Passed if check.hint.is_some() => paint.yellow("!"),
        CheckOutcome::Passed => paint.green("✓"),
        CheckOutcome::Failed => paint.red("✗"),
        CheckOutcome::Errored => paint.red("?"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(outcome: CheckOutcome, hint: Option<&str>) -> CheckEvidence {
        CheckEvidence {
            check: "smoke/login".to_owned(),
            outcome,
            expected: Some("status == 200".to_owned()),
            actual: Some("500 Internal Server Error from the backend".to_owned()),
            owner: Some("dev".to_owned()),
            hint: hint.map(str::to_owned),
            duration_ms: 1.0,
        }
    }

    #[test]
    fn failed_checks_show_expected_beside_actual_and_the_next_action() {
        let lines = checks(&[check(CheckOutcome::Failed, Some("read the log"))], 100, Paint { on: false });
        assert_eq!(
            lines[0],
            "✗ smoke/login  dev  expected status == 200, got 500 Internal Server Error from the backend"
        );
        assert!(lines[1].ends_with("→ read the log"));
    }

    #[test]
    fn a_narrow_terminal_cuts_and_never_wraps() {
        let lines = checks(&[check(CheckOutcome::Failed, None)], 60, Paint { on: false });
        assert!(measure_text_width(&lines[0]) <= 60, "{}", lines[0]);
    }
}
