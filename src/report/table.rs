//! Checks as a table for people: outcome, name, expected beside actual, owner, next action.

use console::{measure_text_width, truncate_str};
use phases::engine::failure::{CheckEvidence, CheckOutcome};

use crate::terminal::Paint;
use crate::terminal::fold::fold_hard;

/// Columns that what a check saw needs at least; with fewer it stands below the name.
const LEAST_ROOM: usize = 24;
/// Where it begins then.
const BELOW: usize = 4;
/// Lines of what one check saw; reports have all of it.
const MOST_LINES: usize = 8;

/// Renders checks in lines no wider than `width` columns; hints stand on a line of their own.
pub fn checks(checks: &[CheckEvidence], width: usize, paint: Paint) -> Vec<String> {
    let columns = Columns::of(checks, width);
    checks.iter().flat_map(|check| columns.rows(check, paint)).collect()
}

/// Where columns stand.
struct Columns {
    name: usize,
    owner: usize,
    width: usize,
    /// Where what a check saw begins, on the same line or below.
    said: usize,
    beside: bool,
}

impl Columns {
    fn of(checks: &[CheckEvidence], width: usize) -> Self {
        let name = checks.iter().map(|check| measure_text_width(&check.check)).max().unwrap_or(0);
        let owner =
            checks.iter().filter_map(|check| check.owner.as_ref()).map(String::len).max().unwrap_or(0);
        let said = name + owner + 6;
        let beside = width.saturating_sub(said) >= LEAST_ROOM;
        Self { name, owner, width, said: if beside { said } else { BELOW }, beside }
    }

    fn rows(&self, check: &CheckEvidence, paint: Paint) -> Vec<String> {
        let mut rows = self.head(check, paint);
        let mut said = indented(&said(check), self.width, self.said, self.said);
        if self.beside {
            let first = said.remove(0);
            rows[0].push_str(first.trim_start());
            let end = rows[0].trim_end().len();
            rows[0].truncate(end);
        }
        rows.extend(said.into_iter().filter(|line| !line.trim().is_empty()));
        let hint = check
            .hint
            .iter()
            .flat_map(|hint| indented(&format!("→ {hint}"), self.width, self.said, self.said + 2));
        rows.extend(hint.map(|line| {
            let text = line.trim_start_matches(' ');
            format!("{}{}", &line[..line.len() - text.len()], paint.dim(text))
        }));
        rows
    }

    /// Outcome, name and owner.
    fn head(&self, check: &CheckEvidence, paint: Paint) -> Vec<String> {
        let (mark, owner) = (mark(check, paint), check.owner.as_deref().unwrap_or(""));
        if self.beside {
            return vec![format!(
                "{mark} {:<name$}  {owner:<width$}  ",
                check.check,
                name = self.name,
                width = self.owner
            )];
        }
        let mut lines = indented(&format!("{}  {owner}", check.check), self.width, 2, 2);
        lines[0].replace_range(..2, &format!("{mark} "));
        lines
    }
}

/// A text that begins `indent` columns in and goes on `hang` columns in.
fn indented(text: &str, width: usize, indent: usize, hang: usize) -> Vec<String> {
    let text = text.replace(['\n', '\r', '\t'], " ");
    let mut lines = fold_hard(&format!("{}{text}", " ".repeat(indent)), width, hang);
    if lines.len() > MOST_LINES {
        lines.truncate(MOST_LINES);
        if let Some(last) = lines.last_mut() {
            *last = truncate_str(&format!("{last} …"), width, "…").into_owned();
        }
    }
    lines
}

/// What a check saw; beside what was expected when the two differ.
fn said(check: &CheckEvidence) -> String {
    let actual = check.actual.as_deref().unwrap_or("");
    match (check.outcome, check.expected.as_deref()) {
        (CheckOutcome::Passed, _) if actual.is_empty() => format!("{:.0} ms", check.duration_ms),
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
    fn a_narrow_terminal_loses_nothing_and_no_line_is_wider_than_it() {
        let long =
            "run `crmctl smoke local`, then read /var/lib/crmctl/local/logs/crm-server.log for the cause";
        let mut one = check(CheckOutcome::Failed, Some(long));
        one.check = "a-suite-with-a-long-name/and-a-check-with-another-one".to_owned();
        for width in [40, 60, 80, 160] {
            for checks in [vec![check(CheckOutcome::Failed, Some(long))], vec![one.clone()]] {
                let lines = super::checks(&checks, width, Paint { on: false });
                assert!(lines.iter().all(|line| measure_text_width(line) <= width), "{width}: {lines:#?}");
                let told = lines.concat().replace(' ', "");
                for word in
                    [&checks[0].check, "500InternalServerErrorfromthebackend", "crm-server.logforthecause"]
                {
                    assert!(told.contains(word), "{width}: `{word}` is lost: {lines:#?}");
                }
            }
        }
    }

    #[test]
    fn a_check_that_saw_a_novel_is_cut_after_some_lines() {
        let mut check = check(CheckOutcome::Failed, None);
        check.actual = Some("word ".repeat(1000));
        let lines = checks(&[check], 60, Paint { on: false });
        assert_eq!(lines.len(), MOST_LINES);
        assert!(lines.last().is_some_and(|line| line.ends_with('…')), "{lines:#?}");
    }

    #[test]
    fn a_line_end_in_what_a_check_saw_breaks_no_table() {
        let mut check = check(CheckOutcome::Failed, None);
        check.actual = Some("one\ntwo".to_owned());
        assert_eq!(checks(&[check], 160, Paint { on: false }).len(), 1);
    }
}
