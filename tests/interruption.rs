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
    for step in ["deploy.start", "deploy.shift", "smoke.run", "perf.load"] {
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
