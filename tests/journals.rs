//! Journals of earlier versions are read by this one: every file under `tests/journals` gives what its README
//! promises, and what a newer version wrote is refused.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::campaign::chain;
use crate::harness::machine::Machine;

/// What the newest run of a journal amounts to: verb, ending, exit code.
type Last = (&'static str, Option<&'static str>, Option<i64>);

/// A journal, its runs, the last of them, and the command that `status` names where nothing of it is left.
const JOURNALS: [(&str, usize, Last, &str); 5] = [
    ("good", 2, ("deploy", Some("deployed"), Some(0)), "crmctl deploy local"),
    ("interrupted", 3, ("deploy", Some("interrupted"), Some(50)), "crmctl deploy local"),
    ("rolled_back", 4, ("deploy", Some("rolled_back"), Some(20)), "crmctl deploy local"),
    ("killed", 6, ("deploy", None, None), "crmctl resume local"),
    ("stuck", 7, ("deploy", Some("stuck"), Some(21)), "crmctl resolve local --reason …"),
];

fn file(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join(format!("tests/journals/0.1.0/{name}.ndjson"))
}

/// A machine whose ledger is the old one; nothing else of that time is left.
fn machine_with(journal: &str) -> Machine {
    use std::os::unix::fs::DirBuilderExt;
    let machine = Machine::new();
    let place = machine.state().join("local");
    std::fs::DirBuilder::new().recursive(true).mode(0o711).create(&place).unwrap();
    std::fs::DirBuilder::new().mode(0o700).create(place.join("ledger")).unwrap();
    std::fs::write(ledger(&machine), journal).unwrap();
    machine
}

fn ledger(machine: &Machine) -> PathBuf {
    machine.state().join("local/ledger/journal.ndjson")
}

fn is(line: &Value, (verb, ending, code): Last) -> bool {
    line["verb"] == verb && line["ending"].as_str() == ending && line["exit_code"].as_i64() == code
}

#[test]
fn every_old_journal_gives_what_it_gave() {
    let kept = std::fs::read_dir(file("x").parent().unwrap()).unwrap().count();
    assert_eq!(kept, JOURNALS.len(), "a journal is not replayed");
    for (name, runs, last, next) in JOURNALS {
        let records = chain::read(&file(name)).unwrap();
        let folded = chain::runs(&records);
        let machine = machine_with(&std::fs::read_to_string(file(name)).unwrap());
        let history = machine.crmctl(&["history", "local", "--output", "json"]).exits(0).json();
        let lines = history["runs"].as_array().unwrap();
        assert_eq!((lines.len(), folded.len()), (runs, runs), "{name}");
        assert!(is(&lines[0], last), "{name}: {}", lines[0]);
        for (line, run) in lines.iter().zip(folded.iter().rev()) {
            assert_eq!(line["run"], *run.id, "{name}");
            assert_eq!(line["exit_code"].as_i64(), run.ended.as_ref().map(|ended| ended.1), "{name}");
        }
        let status = machine.status();
        assert!(is(&status["last_run"], last), "{name}: {status:#}");
        assert_eq!(status["next"], next, "{name}");
        for run in &folded {
            let report = machine.crmctl(&["report", "local", &run.id, "--format", "json"]).exits(0).json();
            assert_eq!(report["run"], *run.id, "{name}");
            assert_eq!(report["exit_code"].as_i64(), run.ended.as_ref().map(|ended| ended.1), "{name}");
        }
        assert_eq!(chain::read(&ledger(&machine)).unwrap().len(), records.len(), "{name}: looking wrote");
    }
}

#[test]
fn an_old_run_that_was_killed_is_refused_by_name_in_another_configuration() {
    let machine = machine_with(&std::fs::read_to_string(file("killed")).unwrap());
    let run = chain::open(&chain::read(&file("killed")).unwrap()).unwrap();
    let resumed = machine.crmctl(&["resume", "local"]).exits(10);
    resumed.says(&[&run.id, "another configuration", "crmctl rollback local"]);
    machine.crmctl(&["deploy", "local"]).exits(10).says(&[&run.id, "is not finished"]);
}

#[test]
fn an_old_journal_is_gone_on_with() {
    let machine = machine_with(&std::fs::read_to_string(file("good")).unwrap());
    let before = chain::read(&ledger(&machine)).unwrap().len();
    machine.crmctl(&["deploy", "local", "--skip", "perf", "--reason", "not this story"]).exits(0);
    let after = chain::read(&ledger(&machine)).unwrap();
    assert!(after.len() > before);
    let history = machine.crmctl(&["history", "local", "--output", "json"]).exits(0).json();
    assert_eq!(history["runs"].as_array().unwrap().len(), 3);
}

#[test]
fn a_journal_of_a_newer_version_is_refused_by_every_verb() {
    let text = std::fs::read_to_string(file("good")).unwrap();
    let (whole, last) = text.trim_end().rsplit_once('\n').unwrap();
    let newer = format!("{whole}\n{}\n", last.replacen("\"schema\":1", "\"schema\":2", 1));
    let machine = machine_with(&newer);
    let line = newer.lines().count();
    for verb in ["history", "status", "report", "deploy", "resume", "rollback"] {
        let said = machine.crmctl(&[verb, "local"]).exits(10);
        said.says(&[&format!("format 2 at line {line}"), "reads up to 1", "use the crmctl that wrote it"]);
    }
    assert_eq!(std::fs::read_to_string(ledger(&machine)).unwrap(), newer);
    // The end of the machine is a `down`, which is refused too.
    std::fs::write(ledger(&machine), text).unwrap();
}
