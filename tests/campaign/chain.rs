//! The journal as a stranger reads it: lines, numbers, hashes and the order of records, from the published format
//! alone. Nothing of crmctl is used, so that a mistake in its own reader cannot hide itself.

use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};

/// One line.
#[derive(Debug, Clone)]
pub(crate) struct Record(Value);

impl Record {
    pub(crate) fn parse(line: &str) -> Result<Self, String> {
        serde_json::from_str(line).map(Self).map_err(|error| format!("no JSON: {error}: {line}"))
    }

    fn text(&self, key: &str) -> &str {
        self.0[key].as_str().unwrap_or_default()
    }

    pub(crate) fn kind(&self) -> &str {
        self.text("kind")
    }

    pub(crate) fn step(&self) -> Option<&str> {
        self.0["step"].as_str()
    }

    pub(crate) fn run(&self) -> &str {
        self.text("run")
    }

    pub(crate) fn token(&self) -> u64 {
        self.0["token"].as_u64().unwrap_or(0)
    }

    pub(crate) fn value(&self) -> &Value {
        &self.0
    }

    /// When it was written, in milliseconds since the epoch.
    pub(crate) fn at_ms(&self) -> i64 {
        chrono::DateTime::parse_from_rfc3339(self.text("at")).map_or(0, |at| at.timestamp_millis())
    }
}

/// Reads and verifies a journal that nobody writes to now. None at all is an empty one.
pub(crate) fn read(file: &Path) -> Result<Vec<Record>, String> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("`{}`: {error}", file.display())),
    };
    // What follows the last line end was torn off by a kill and never acknowledged.
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    verify(whole)
}

fn verify(text: &str) -> Result<Vec<Record>, String> {
    let mut previous = "0".repeat(64);
    let mut records: Vec<Record> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let record = Record::parse(line)?;
        let number = index as u64 + 1;
        let at = |what: &str| format!("line {number} of the journal: {what}: {line}");
        if record.0["schema"] != 1 {
            return Err(at("schema is not 1"));
        }
        if record.0["seq"].as_u64() != Some(number) {
            return Err(at("its number is not the next one"));
        }
        if record.text("prev") != previous {
            return Err(at("it does not carry the hash of the line before"));
        }
        if records.last().is_some_and(|last| last.token() > record.token()) {
            return Err(at("its token is lower than one before"));
        }
        grammar(&records, &record).map_err(|what| at(&what))?;
        previous = hex::encode(Sha256::digest(line.as_bytes()));
        records.push(record);
    }
    Ok(records)
}

/// What may follow what, inside one run.
fn grammar(before: &[Record], record: &Record) -> Result<(), String> {
    let run: Vec<&Record> = before.iter().filter(|earlier| earlier.run() == record.run()).collect();
    let ended = run.iter().any(|earlier| earlier.kind() == "END");
    match record.kind() {
        _ if ended => return Err("its run has ended before".to_owned()),
        "PLAN" if !run.is_empty() => return Err("a second plan".to_owned()),
        "PLAN" => return Ok(()),
        _ if run.is_empty() => return Err("its run has no plan".to_owned()),
        _ => {}
    }
    let same_token = run.last().is_none_or(|last| last.token() == record.token());
    if !same_token && record.kind() != "ADOPT" {
        return Err("another operator wrote without taking the run over".to_owned());
    }
    let Some(step) = record.step() else { return Ok(()) };
    let last = run.iter().rev().find(|earlier| earlier.step() == Some(step)).map(|earlier| earlier.kind());
    match (record.kind(), last) {
        ("UNDO_DONE" | "UNDO_FAILED", Some("UNDO_INTENT")) => Ok(()),
        ("UNDO_DONE" | "UNDO_FAILED", _) => Err("an undo without its intent".to_owned()),
        ("UNDO_INTENT", None) => Err("an undo of what was never begun".to_owned()),
        _ => Ok(()),
    }
}

/// What a run amounts to.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) id: String,
    pub(crate) verb: String,
    /// Release it is about.
    pub(crate) target: String,
    /// Release that served when it was planned.
    pub(crate) previous: Option<String>,
    /// Ending and exit code.
    pub(crate) ended: Option<(String, i64)>,
    /// An effect was begun.
    pub(crate) touched: bool,
    /// It is on its way back: asked to stop, failed or taken back.
    pub(crate) turned: bool,
    pub(crate) interrupted: bool,
    plan: Value,
}

impl Run {
    fn planned(record: &Record) -> Self {
        let plan = record.value()["desired"].clone();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Self {
            id: record.run().to_owned(),
            verb: text(&plan["verb"]).unwrap_or_default(),
            target: text(&plan["target"]["id"]).unwrap_or_default(),
            previous: text(&plan["previous"]),
            ended: None,
            touched: false,
            turned: false,
            interrupted: false,
            plan,
        }
    }

    fn take(&mut self, record: &Record) {
        match record.kind() {
            "INTENT" => self.touched = true,
            "UNDO_INTENT" => self.turned = true,
            "INTERRUPTED" => (self.turned, self.interrupted) = (true, true),
            "ADOPT" => self.turned |= record.value()["desired"]["do"] == "unwind",
            "END" => {
                let said = &record.value()["evidence"];
                let ending = said["ending"].as_str().unwrap_or_default().to_owned();
                self.ended = Some((ending, said["exit_code"].as_i64().unwrap_or(-1)));
            }
            _ => {}
        }
    }

    /// Steps of its plan with what they do.
    pub(crate) fn steps(&self) -> impl Iterator<Item = (&str, &str)> {
        let phases = self.plan["phases"].as_array().into_iter().flatten();
        phases.flat_map(|phase| phase["steps"].as_array().into_iter().flatten()).map(|step| {
            (step["id"].as_str().unwrap_or_default(), step["action"]["do"].as_str().unwrap_or_default())
        })
    }
}

/// Every run, oldest first.
pub(crate) fn runs(records: &[Record]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for record in records {
        if record.kind() == "PLAN" {
            runs.push(Run::planned(record));
        } else if let Some(run) = runs.iter_mut().rev().find(|run| run.id == record.run()) {
            run.take(record);
        }
    }
    runs
}

/// The run that somebody has to finish: the newest open one that began to change things, else the last one if open.
pub(crate) fn open(records: &[Record]) -> Option<Run> {
    let runs = runs(records);
    let begun = runs.iter().rev().find(|run| run.ended.is_none() && run.touched);
    begun.or_else(|| runs.last().filter(|run| run.ended.is_none())).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A journal whose hashes are right, from kinds and steps.
    fn journal(lines: &[(&str, u64, &str, Option<&str>)]) -> String {
        let mut text = String::new();
        let mut previous = "0".repeat(64);
        for (index, (run, token, kind, step)) in lines.iter().enumerate() {
            let line =
                serde_json::json!({"schema": 1, "seq": index + 1, "run": run, "token": token, "kind": kind,
                "step": step, "prev": previous})
                .to_string();
            previous = hex::encode(Sha256::digest(line.as_bytes()));
            text += &(line + "\n");
        }
        text
    }

    fn refused(lines: &[(&str, u64, &str, Option<&str>)]) -> String {
        verify(&journal(lines)).map(|_| ()).unwrap_err()
    }

    const GOOD: [(&str, u64, &str, Option<&str>); 4] = [
        ("a", 1, "PLAN", None),
        ("a", 1, "INTENT", Some("deploy.start")),
        ("a", 2, "ADOPT", None),
        ("a", 2, "END", None),
    ];

    #[test]
    fn the_judge_takes_a_good_journal() {
        assert_eq!(verify(&journal(&GOOD)).unwrap().len(), 4);
    }

    #[test]
    fn the_judge_finds_what_was_changed_swapped_or_left_out() {
        let text = journal(&GOOD);
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let changed = text.replacen("\"token\":1", "\"token\":0", 1);
        assert!(verify(&changed).unwrap_err().contains("line 2"));
        let swapped = [lines[1], lines[0]].concat();
        assert!(verify(&swapped).unwrap_err().contains("number is not the next"));
        let renumbered = [lines[0], lines[2]].concat().replace("\"seq\":3", "\"seq\":2");
        assert!(verify(&renumbered).unwrap_err().contains("hash of the line before"));
        assert!(verify(&text.replacen("\"schema\":1", "\"schema\":2", 1)).unwrap_err().contains("schema"));
        assert!(verify("no json\n").unwrap_err().contains("no JSON"));
    }

    #[test]
    fn the_judge_knows_what_may_follow_what() {
        assert!(refused(&[("a", 1, "INTENT", Some("x"))]).contains("no plan"));
        assert!(refused(&[GOOD[0], GOOD[0]]).contains("second plan"));
        assert!(
            refused(&[GOOD[0], ("a", 1, "END", None), ("a", 1, "DONE", Some("x"))]).contains("has ended")
        );
        assert!(refused(&[GOOD[0], ("a", 2, "DONE", Some("x"))]).contains("without taking the run over"));
        assert!(refused(&[("a", 2, "PLAN", None), ("b", 1, "PLAN", None)]).contains("token is lower"));
        assert!(refused(&[GOOD[0], ("a", 1, "UNDO_DONE", Some("x"))]).contains("without its intent"));
        assert!(refused(&[GOOD[0], ("a", 1, "UNDO_INTENT", Some("x"))]).contains("never begun"));
    }

    #[test]
    fn the_judge_knows_which_run_is_open() {
        let records = |lines: &[_]| verify(&journal(lines)).unwrap();
        assert!(open(&records(&GOOD)).is_none());
        let left = open(&records(&GOOD[..2])).unwrap();
        assert!(left.touched && !left.turned && left.id == "a");
        let refused = [GOOD[0], GOOD[1], ("b", 2, "PLAN", None), ("b", 2, "END", None)];
        assert_eq!(open(&records(&refused)).unwrap().id, "a");
    }
}
