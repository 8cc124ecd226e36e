//! `--run`: a job that was cancelled finishes, takes back or unlocks just its own run, and anything else is left alone.

use std::io::{BufRead, BufReader};
use std::process::Child;

use crate::harness::machine::Machine;
use crate::interruption::{good, signal};

const UNKNOWN: &str = "20200101T000000Z-0000";

/// A deploy that has come to `step`, with its name as its own first event gives it.
fn deploy_until(machine: &Machine, step: &str) -> (Child, String) {
    let mut run = machine.start(&["deploy", "local", "--output", "json"]);
    let lines = BufReader::new(run.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut events = lines.map(|line| serde_json::from_str::<serde_json::Value>(&line).unwrap());
    let started = events.find(|event| event["event"] == "run.started").expect("it begins");
    let reached = events.any(|event| event["event"] == "step.started" && event["step"] == step);
    assert!(reached, "{step} never began");
    (run, started["run"].as_str().unwrap().to_owned())
}

fn killed_at(machine: &Machine, step: &str) -> String {
    let (mut run, id) = deploy_until(machine, step);
    signal(&run, "-KILL");
    run.wait().unwrap();
    id
}

/// All that a verb that is refused must leave as it was.
fn memory(machine: &Machine) -> Vec<Vec<u8>> {
    let ledger = machine.state().join("local/ledger");
    ["journal.ndjson", "lease"].map(|name| std::fs::read(ledger.join(name)).unwrap()).into()
}

#[test]
fn a_cancelled_job_takes_back_or_finishes_its_own_run_and_nobody_elses() {
    let machine = Machine::new();
    let old = good(&machine);
    let finished = machine.status()["last_run"]["run"].as_str().unwrap().to_owned();
    machine.commit("change");
    let own = killed_at(&machine, "smoke.run");
    let (serving, before) = (machine.serving(), memory(&machine));
    for verb in ["rollback", "resume"] {
        for word in ["mine", "../../etc", "20261124T120301Z", "last"] {
            machine.crmctl(&[verb, "local", "--run", word]).exits(2).says(&["no run id", "crmctl history"]);
        }
        let said = machine.crmctl(&[verb, "local", "--run", UNKNOWN]).exits(10);
        said.says(&["knows no run", UNKNOWN, &own, "nothing was changed", "crmctl history local"]);
        let said = machine.crmctl(&[verb, "local", "--run", &finished]).exits(10);
        said.says(&["is over: deployed", &own, "nothing was changed", "crmctl status local"]);
    }
    let told =
        machine.crmctl(&["rollback", "local", "--run", UNKNOWN, "--output", "json"]).exits(10).events();
    assert_eq!((&told[0]["event"], &told[0]["exit_code"]), (&"run.finished".into(), &10.into()));
    machine.crmctl(&["rollback", "local", "--run", &own, "--plan"]).exits(2);
    machine.crmctl(&["rollback", "local", "--run", &own, "--to", &old]).exits(2);
    assert_eq!((machine.serving(), memory(&machine)), (serving, before), "a refusal changed something");

    machine.crmctl(&["rollback", "local", "--run", &own]).exits(0);
    assert_eq!(machine.serving(), old);
    let before = memory(&machine);
    for verb in ["rollback", "resume"] {
        machine.crmctl(&[verb, "local", "--run", &own]).exits(10).says(&["is over: rolled back"]);
    }
    assert_eq!((machine.serving(), memory(&machine)), (old.clone(), before), "it went further back");

    let own = killed_at(&machine, "smoke.run");
    machine.crmctl(&["resume", "local", "--run", &own]).exits(0);
    assert_ne!(machine.serving(), old);
}

#[test]
fn a_run_that_is_still_at_work_is_not_taken_over_by_its_name() {
    let machine = Machine::new();
    good(&machine);
    machine.commit("change");
    let (mut run, own) = deploy_until(&machine, "perf.load");
    signal(&run, "-STOP");
    let token = machine.status()["lease"]["token"].to_string();
    let before = memory(&machine);
    for verb in ["rollback", "resume"] {
        machine.crmctl(&[verb, "local", "--run", &own]).exits(11).says(&["holds the lease", &own]);
        machine.crmctl(&[verb, "local", "--run", UNKNOWN]).exits(10).says(&["knows no run"]);
    }
    let unlock = |run: &str| machine.crmctl(&["unlock", "local", "--run", run, "--token", &token]);
    unlock("mine").exits(2).says(&["no run id"]);
    unlock(UNKNOWN).exits(10).says(&["holds the lease", &own]);
    unlock(&own).exits(11).says(&["its process lives", "--force --reason"]);
    assert_eq!(memory(&machine), before, "a refusal changed something");
    signal(&run, "-KILL");
    run.wait().unwrap();
    // Its lease went with it: nothing is left to unlock, and its own name takes it back.
    machine.crmctl(&["rollback", "local", "--run", &own]).exits(0);
    unlock(&own).exits(10).says(&["nobody holds the lease"]);
}

#[test]
fn a_run_that_was_cut_off_before_its_plan_has_nothing_to_take_back() {
    let machine = Machine::new();
    let old = good(&machine);
    let file = machine.state().join("local/ledger/lease");
    let free: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let token = free["token"].as_u64().unwrap() + 1;
    let lease = serde_json::json!({
        "holder": "ci@runner", "run": UNKNOWN, "token": token, "since": "2020-01-01T00:00:00Z",
        "expires_at": null, "expired": false,
    });
    std::fs::write(&file, serde_json::json!({"schema": 1, "token": token, "lease": lease}).to_string())
        .unwrap();
    for verb in ["rollback", "resume"] {
        let said = machine.crmctl(&[verb, "local", "--run", UNKNOWN]).exits(10);
        said.says(&["was cut off before it had a plan", "crmctl status local"]);
    }
    assert_eq!(machine.serving(), old);
    machine.crmctl(&["deploy", "local", "--skip", "perf", "--reason", "not this story"]).exits(0);
}
