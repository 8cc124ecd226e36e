//! Runs that are killed, interrupted or locked out.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::harness::client::Load;
use crate::harness::machine::Machine;

pub(crate) fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// Reads events until one is the start of `step`.
pub(crate) fn until_step(child: &mut Child, step: &str) {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in lines.map_while(Result::ok) {
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        if event["event"] == "step.started" && event["step"] == step {
            return;
        }
    }
    panic!("{step} never began");
}

pub(crate) fn good(machine: &Machine) -> String {
    machine.crmctl(&["deploy", "local", "--skip", "perf", "--reason", "not this story"]).exits(0);
    machine.serving()
}

#[test]
fn a_killed_run_is_resumed_and_one_release_serves_throughout() {
    // Every other place is one of the campaign's.
    for step in ["deploy.shift", "perf.load"] {
        let machine = Machine::new();
        let old = good(&machine);
        machine.commit("change");
        let load = Load::start(machine.port, 50);
        let mut run = machine.start(&["deploy", "local", "--output", "json"]);
        until_step(&mut run, step);
        signal(&run, "-KILL");
        run.wait().unwrap();
        machine.crmctl(&["deploy", "local"]).exits(10).says(&["is not finished", "crmctl resume local"]);
        assert_eq!(machine.status()["next"], "crmctl resume local", "after a kill at {step}");
        machine.crmctl(&["resume", "local"]).exits(0);
        let new = machine.serving();
        assert_ne!(new, old, "after a kill at {step}");
        let seen = load.stop();
        assert!(seen.failures.is_empty(), "{step}: {:#?}", seen.failures.first());
        machine.crmctl(&["deploy", "local"]).exits(0);
    }
}

#[test]
fn a_killed_run_is_taken_back_by_rollback() {
    let machine = Machine::new();
    let old = good(&machine);
    machine.commit("change");
    let mut run = machine.start(&["deploy", "local", "--output", "json"]);
    until_step(&mut run, "smoke.run");
    signal(&run, "-KILL");
    run.wait().unwrap();
    machine.crmctl(&["rollback", "local"]).exits(0);
    assert_eq!(machine.serving(), old);
    machine.crmctl(&["deploy", "local", "--skip", "perf", "--reason", "not this story"]).exits(0);
}

#[test]
fn the_first_interrupt_unwinds_and_the_old_release_serves() {
    let machine = Machine::new();
    let old = good(&machine);
    machine.commit("change");
    let load = Load::start(machine.port, 50);
    let mut run = machine.start(&["deploy", "local", "--output", "json"]);
    until_step(&mut run, "perf.load");
    signal(&run, "-INT");
    assert_eq!(run.wait().unwrap().code(), Some(50));
    let seen = load.stop();
    assert!(seen.failures.is_empty(), "{:#?}", seen.failures.first());
    assert_eq!(machine.serving(), old);
    assert_eq!(machine.status()["last_run"]["ending"], "interrupted");
    machine.crmctl(&["deploy", "local", "--skip", "perf", "--reason", "not this story"]).exits(0);
}

#[test]
fn a_second_operator_is_refused_while_the_first_one_works() {
    let machine = Machine::new();
    good(&machine);
    machine.commit("change");
    let mut run = machine.start(&["deploy", "local", "--output", "json"]);
    until_step(&mut run, "perf.load");
    machine.crmctl(&["deploy", "local"]).exits(11).says(&["holds the lease", "hint:"]);
    assert!(!machine.status()["lease"].is_null());
    let begun = Instant::now();
    while run.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the first run hangs on a reader that left");
        std::thread::yield_now();
    }
    assert!(machine.status()["lease"].is_null());
}

#[test]
fn a_run_is_not_resumed_with_another_configuration_but_can_be_taken_back() {
    let machine = Machine::new();
    let old = good(&machine);
    machine.commit("change");
    let mut run = machine.start(&["deploy", "local", "--output", "json"]);
    until_step(&mut run, "smoke.run");
    signal(&run, "-KILL");
    run.wait().unwrap();
    machine.write_secrets("LOGIN_WINDOW_SECONDS=61\n", 0o600);
    let refused = machine.crmctl(&["resume", "local"]).exits(10);
    refused.says(&["another configuration", "crmctl rollback local"]);
    machine.crmctl(&["rollback", "local"]).exits(0);
    assert_eq!(machine.serving(), old);
}

#[test]
fn news_of_a_resumed_run_carries_its_own_name() {
    let machine = Machine::new();
    good(&machine);
    machine.commit("change");
    let mut run = machine.start(&["deploy", "local", "--output", "json"]);
    until_step(&mut run, "perf.load");
    signal(&run, "-KILL");
    run.wait().unwrap();
    let begun = machine.status()["last_run"]["run"].clone();
    let events = machine.crmctl(&["resume", "local", "--output", "json"]).exits(0).events();
    assert!(events.iter().all(|event| event["run"] == begun), "{begun}: {events:#?}");
    assert_eq!(events.last().unwrap()["event"], "run.finished");
}

#[test]
fn the_second_interrupt_leaves_at_once_and_says_so_to_machines() {
    let machine = Machine::new();
    let old = good(&machine);
    machine.commit("change");
    let mut run = machine.start(&["deploy", "local", "--output", "json"]);
    let lines = BufReader::new(run.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut events = lines.map(|line| serde_json::from_str::<serde_json::Value>(&line).unwrap());
    assert!(events.any(|event| event["event"] == "step.started" && event["step"] == "perf.load"));
    signal(&run, "-INT");
    // The first is being obeyed: something is taken back.
    assert!(events.any(|event| event["event"] == "step.started" && event["undo"] == true));
    signal(&run, "-INT");
    let last = events.last().unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(50));
    assert_eq!((&last["event"], &last["ending"]), (&"run.finished".into(), &"interrupted".into()));
    let finished = last["phases"].as_array().is_some_and(|phases| !phases.is_empty());
    if !finished {
        assert!(last["failure"]["hint"].as_str().unwrap().contains("crmctl resume local"), "{last:#}");
        machine.crmctl(&["resume", "local"]).exits(50);
    }
    assert_eq!(machine.serving(), old);
}
