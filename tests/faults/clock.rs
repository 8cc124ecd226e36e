//! A clock that is wrong, and one that jumps while a run goes on. The journal's order decides, never its times.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::{DEPLOY, Followed, diagnosis, records};
use crate::harness::machine::{Machine, Said};

/// What makes a process see another time, where Debian puts it.
fn faketime() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap().flatten();
    let found =
        folders.map(|folder| folder.path().join("faketime/libfaketime.so.1")).find(|file| file.exists());
    found.expect("libfaketime is missing; run `scripts/setup test`")
}

/// crmctl at a time that `file` says: `+1d`, and whatever it says next.
fn at(machine: &Machine, arguments: &[&str], file: &Path) -> Command {
    let mut command = machine.command(arguments);
    command.env("LD_PRELOAD", faketime()).env("FAKETIME_TIMESTAMP_FILE", file);
    // Only the wall clock: durations are measured by the other one, which does not jump.
    command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    command
}

fn ids(machine: &Machine) -> Vec<String> {
    let history = machine.crmctl(&["history", "local", "--output", "json"]).exits(0).json();
    let runs = history["runs"].as_array().unwrap().clone();
    runs.iter().map(|run| run["run"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_wrong_clock_and_one_that_jumps_confuse_no_run() {
    let machine = Machine::new();
    let file = machine.checkout().with_file_name("time");
    // At once: a process that reads half of it would see a third time.
    let set = |offset: &str| {
        std::fs::write(file.with_extension("new"), offset).unwrap();
        std::fs::rename(file.with_extension("new"), &file).unwrap();
    };
    let mut order = Vec::new();
    let mut serving = Vec::new();
    for offset in ["+2d", "-2d"] {
        machine.commit(offset);
        set(offset);
        Said::from(at(&machine, &DEPLOY, &file).output().unwrap()).exits(0);
        order.insert(0, machine.status()["last_run"]["run"].as_str().unwrap().to_owned());
        serving.push(machine.serving());
    }
    assert!(order[0] < order[1], "no clock was wrong: {order:?}");
    assert_eq!(ids(&machine), order, "newest first, as they were written");

    // It jumps a day forward, then two back, while one run goes on.
    machine.commit("jumps");
    set("+0");
    let before = records(&machine).len();
    let mut run = Followed::start(&mut at(&machine, &DEPLOY, &file));
    for (step, offset) in [("deploy.start", "+1d"), ("smoke.run", "-2d")] {
        assert!(run.reach(step), "{step} never began");
        set(offset);
    }
    run.end().1.exits(0);
    let last = machine.status()["last_run"]["run"].as_str().unwrap().to_owned();
    let days: std::collections::BTreeSet<String> = records(&machine)[before..]
        .iter()
        .map(|record| record["at"].as_str().unwrap()[..10].to_owned())
        .collect();
    assert!(days.len() >= 2, "the clock did not jump: {days:?}");
    let report: Value = machine.crmctl(&["report", "local", &last, "--format", "json"]).exits(0).json();
    let steps =
        report["phases"].as_array().unwrap().iter().flat_map(|phase| phase["steps"].as_array().unwrap());
    for step in steps {
        assert!(step["begin"].as_f64().unwrap() >= 0.0 && step["seconds"].as_f64().unwrap() >= 0.0, "{step}");
    }
    assert!(report["seconds"].as_f64().unwrap() >= 0.0);
    assert_eq!(diagnosis(&machine, "doctor/journal").unwrap()["outcome"], "passed");

    // Going back goes by the journal too, not by which release looks older.
    machine.crmctl(&["rollback", "local"]).exits(0);
    assert_eq!(machine.serving(), serving[1]);
    machine.crmctl(&["rollback", "local"]).exits(0);
    assert_eq!(machine.serving(), serving[0]);
}
