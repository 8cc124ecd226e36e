//! The directives in a file's header comments. It parses and validates them; what they mean for a run is
//! decided elsewhere.

use std::time::Duration;

use super::{Issue, Stage};
use crate::sql::Script;

const NAMES: [&str; 6] =
    ["stage", "expects", "irreversible", "statement-timeout", "backfill", "breaks-below"];
const STAGES: [&str; 3] = ["expand", "backfill", "contract"];

/// What the header of an up file declares.
#[derive(Debug, Default)]
pub(super) struct Header {
    pub(super) stage: Option<Stage>,
    pub(super) irreversible: Option<String>,
    pub(super) breaks_below: Option<i64>,
    pub(super) statement_timeout: Option<Duration>,
    pub(super) expects: Vec<String>,
}

/// Reads the header of an up file.
pub(super) fn declared(script: &Script, issues: &mut Vec<Issue>) -> Header {
    let mut header = Header::default();
    for (line, comment) in script.header() {
        match directive(comment) {
            Ok(None) => {}
            Ok(Some((name, value))) => {
                if let Err((message, hint)) = header.accept(name, value) {
                    issues.push(Issue { hint, ..Issue::new(&script.file, message).at(line) });
                }
            }
            Err((message, hint)) => {
                issues.push(Issue { hint, ..Issue::new(&script.file, message).at(line) });
            }
        }
    }
    header
}

/// A down or verify file declares nothing of its own.
pub(super) fn none(script: &Script, issues: &mut Vec<Issue>) {
    for (line, comment) in script.header() {
        if !matches!(directive(comment), Ok(None)) {
            issues.push(
                Issue::new(&script.file, "directives are read from the up file alone")
                    .at(line)
                    .hint("move the line to the up file"),
            );
        }
    }
}

/// A directive below the first statement would be overlooked, and so would a late `-- no-transaction`.
pub(super) fn misplaced(script: &Script, issues: &mut Vec<Issue>) {
    let in_header: Vec<usize> = script.header().map(|(line, _)| line).collect();
    for (index, text) in script.text.lines().enumerate() {
        let (line, comment) = (index + 1, text.trim());
        if !comment.starts_with("--") {
            continue;
        }
        let word = comment.trim_start_matches('-').trim();
        if word.starts_with("crmctl:") && !in_header.contains(&line) {
            issues.push(
                Issue::new(
                    &script.file,
                    "a directive stands below the first statement, where it has no effect",
                )
                .at(line)
                .hint("move it to the comments at the top of the file"),
            );
        }
        if word.starts_with("no-transaction") && !script.no_transaction() {
            issues.push(
                Issue::new(
                    &script.file,
                    "`-- no-transaction` has an effect only as the very first bytes of a file",
                )
                .at(line)
                .hint("make it the first line"),
            );
        }
    }
}

type Complaint = (String, Option<String>);

/// `name` and `value` of `crmctl:name value`; nothing for an ordinary comment.
fn directive(comment: &str) -> Result<Option<(&'static str, &str)>, Complaint> {
    let Some((prefix, rest)) = comment.trim().split_once(':') else { return Ok(None) };
    let prefix = prefix.trim();
    if prefix != "crmctl" {
        let near =
            !prefix.contains(' ') && strsim::damerau_levenshtein(&prefix.to_lowercase(), "crmctl") <= 2;
        return if near {
            Err((
                format!("unknown directive prefix `{prefix}:`"),
                Some("did you mean `-- crmctl:`?".to_owned()),
            ))
        } else {
            Ok(None)
        };
    }
    let (name, value) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    match NAMES.into_iter().find(|known| *known == name) {
        Some(known) => Ok(Some((known, value.trim()))),
        None => {
            Err((format!("unknown directive `crmctl:{name}`"), Some(suggestion(name, &NAMES, "crmctl:"))))
        }
    }
}

impl Header {
    fn accept(&mut self, name: &'static str, value: &str) -> Result<(), Complaint> {
        match name {
            "stage" => once(name, &mut self.stage, stage(value)?),
            "irreversible" => once(name, &mut self.irreversible, reason(value)?),
            "statement-timeout" => once(name, &mut self.statement_timeout, duration(value)?),
            "expects" if value.is_empty() => Err(("`crmctl:expects` needs a value".to_owned(), None)),
            "expects" => {
                self.expects.push(value.to_owned());
                Ok(())
            }
            "breaks-below" => once(name, &mut self.breaks_below, version(value)?),
            _ => Err((
                "`crmctl:backfill` is not supported yet".to_owned(),
                Some("write the change as statements of an ordinary migration".to_owned()),
            )),
        }
    }
}

fn once<T>(name: &str, slot: &mut Option<T>, value: T) -> Result<(), Complaint> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err((format!("`crmctl:{name}` is given twice"), None)),
    }
}

fn stage(value: &str) -> Result<Stage, Complaint> {
    match value {
        "expand" => Ok(Stage::Expand),
        "backfill" => Ok(Stage::Backfill),
        "contract" => Ok(Stage::Contract),
        other => Err((format!("unknown stage `{other}`"), Some(suggestion(other, &STAGES, "")))),
    }
}

fn reason(value: &str) -> Result<String, Complaint> {
    match value.strip_prefix("because ").map(str::trim) {
        Some(reason) if !reason.is_empty() => Ok(reason.to_owned()),
        _ => Err((
            "`crmctl:irreversible` gives no reason".to_owned(),
            Some("write `-- crmctl:irreversible because …`".to_owned()),
        )),
    }
}

/// `90s`, `30m`, `2h`: from a second to a day.
fn duration(value: &str) -> Result<Duration, Complaint> {
    let units = [("s", 1_u64), ("m", 60), ("h", 3600)];
    let number = |unit: &str| value.strip_suffix(unit)?.trim_end().parse::<u64>().ok();
    units
        .into_iter()
        .find_map(|(unit, seconds)| number(unit)?.checked_mul(seconds))
        .filter(|seconds| (1..=86_400).contains(seconds))
        .map(Duration::from_secs)
        .ok_or_else(|| {
            let hint = "write `90s`, `30m` or `2h`, at most a day".to_owned();
            (format!("`{value}` is no time for `crmctl:statement-timeout`"), Some(hint))
        })
}

fn version(value: &str) -> Result<i64, Complaint> {
    let number = value.parse().ok().filter(|version| *version > 0);
    number.ok_or_else(|| {
        (
            format!("`{value}` is not the number of a migration for `crmctl:breaks-below`"),
            Some("write `-- crmctl:breaks-below NNN`".to_owned()),
        )
    })
}

fn suggestion(word: &str, known: &[&str], prefix: &str) -> String {
    let nearest = known.iter().min_by_key(|name| strsim::damerau_levenshtein(word, name));
    match nearest.filter(|name| strsim::damerau_levenshtein(word, name) <= 3) {
        Some(name) => format!("did you mean `{prefix}{name}`?"),
        None => format!(
            "known are {}",
            known.iter().map(|n| format!("`{prefix}{n}`")).collect::<Vec<_>>().join(", ")
        ),
    }
}
