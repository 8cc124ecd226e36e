//! What people and machines do to an environment behind crmctl's back: directories removed, programs that cannot be
//! started, supervisors killed, the port taken. Each ends as promised and names the next command.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::client::Load;
use crate::harness::machine::{Machine, Said, eventually};
use crate::interruption::good;

/// The notes of the supervisor.
fn notes(machine: &Machine) -> Value {
    let file = machine.state().join("local/supervisor/state.json");
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

fn supervisor(machine: &Machine) -> i64 {
    notes(machine)["supervisor"]["pid"].as_i64().unwrap()
}

fn instances(machine: &Machine) -> Vec<i64> {
    let notes = notes(machine);
    let pids =
        notes["instances"].as_array().unwrap().iter().map(|one| one["process"]["pid"].as_i64().unwrap());
    pids.collect()
}

fn kill(signal: &str, pid: i64) {
    let status = Command::new("kill").args([signal, &pid.to_string()]).status().unwrap();
    assert!(status.success(), "{signal} {pid}");
}

/// A dead process that nobody has waited for yet does nothing more; how soon it goes is its parent's business.
fn lives(pid: i64) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn directory(machine: &Machine, release: &str) -> PathBuf {
    machine.state().join("local/releases").join(release)
}

/// Does something as soon as each of `steps` begins; gives what the run said in the end.
fn at_steps(mut run: Child, steps: &[&str], mut act: impl FnMut(&str)) -> Said {
    let mut out = String::new();
    let lines = BufReader::new(run.stdout.take().unwrap()).lines();
    for line in lines.map_while(Result::ok) {
        let event: Value = serde_json::from_str(&line).unwrap();
        let step = event["step"].as_str().unwrap_or_default();
        if event["event"] == "step.started" && steps.contains(&step) && event["undo"] != true {
            act(step);
        }
        out.push_str(&line);
        out.push('\n');
    }
    let said = Said::from(run.wait_with_output().unwrap());
    Said { out, ..said }
}

#[test]
fn directory_of_what_serves_may_be_removed_and_the_next_deploy_brings_it_back() {
    let machine = Machine::new();
    let release = good(&machine);
    let load = Load::start_light(machine.port, 50);
    std::fs::remove_dir_all(directory(&machine, &release)).unwrap();
    machine.crmctl(&["smoke", "local"]).exits(0);
    assert_eq!(machine.serving(), release, "it serves on");
    assert_eq!(good(&machine), release);
    assert!(directory(&machine, &release).join("crm-server").is_file());
    let seen = load.stop();
    assert!(seen.failures.is_empty(), "{:#?}", seen.failures.first());
}

#[test]
fn release_that_dies_without_its_directory_is_deployed_again_by_the_next_deploy() {
    let machine = Machine::new();
    let release = good(&machine);
    std::fs::remove_dir_all(directory(&machine, &release)).unwrap();
    let dead = instances(&machine);
    kill("-KILL", dead[0]);
    eventually("it is dead", || !lives(dead[0]));
    assert_eq!(machine.status()["next"], "crmctl deploy local");
    machine.crmctl(&["doctor", "local"]).says(&["crmctl deploy local"]);
    machine.crmctl(&["deploy", "local", "--skip", "perf", "--reason", "not this story"]).exits(0);
    assert_eq!(machine.serving(), release);
    machine.crmctl(&["smoke", "local"]).exits(0);
}

#[test]
fn previous_release_whose_directory_is_gone_is_not_gone_back_to() {
    let machine = Machine::new();
    let old = good(&machine);
    machine.commit("change");
    let new = good(&machine);
    std::fs::remove_dir_all(directory(&machine, &old)).unwrap();
    let refused = machine.crmctl(&["rollback", "local"]).exits(10);
    refused.says(&[
        "there is no release to go back to",
        &old,
        "no longer on the platform",
        "crmctl history local",
    ]);
    let named = machine.crmctl(&["rollback", "local", "--to", &old]).exits(10);
    named.says(&["no longer on the platform"]);
    assert_eq!(machine.serving(), new);
    assert!(machine.status()["previous"].is_null());
}

#[test]
fn previous_release_that_cannot_be_started_leaves_the_new_one_serving() {
    let machine = Machine::new();
    let old = good(&machine);
    machine.commit("change");
    let new = good(&machine);
    // The one that was replaced may still be on its way out.
    eventually("only one runs", || instances(&machine).len() == 1);
    let program = directory(&machine, &old).join("crm-server");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o644)).unwrap();
    let load = Load::start_light(machine.port, 50);
    let said = machine.crmctl(&["rollback", "local"]).exits(20);
    said.says(&[
        "rollback.start",
        "cannot start `",
        "Permission denied",
        "nothing was switched",
        "next: crmctl",
    ]);
    assert_eq!(machine.serving(), new);
    let seen = load.stop();
    assert!(seen.failures.is_empty() && seen.releases.keys().eq([&new]), "{seen:#?}");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    machine.crmctl(&["rollback", "local"]).exits(0);
}

#[test]
fn supervisor_that_is_killed_again_and_again_in_mid_deploy_costs_neither_the_run_nor_a_request() {
    let machine = Machine::new();
    let old = good(&machine);
    machine.commit("change");
    let load = Load::start_light(machine.port, 50);
    let run = machine.start(&[
        "deploy",
        "local",
        "--skip",
        "perf",
        "--reason",
        "not this story",
        "--output",
        "json",
    ]);
    let mut killed = Vec::new();
    let steps = ["deploy.start", "deploy.ready", "deploy.gate", "deploy.shift", "smoke.run"];
    let said = at_steps(run, &steps, |step| {
        // Looking needs none: the next one comes with the next effect.
        let pid = supervisor(&machine);
        if lives(pid) {
            kill("-KILL", pid);
            eventually("it is dead", || !lives(pid));
            killed.push(step.to_owned());
        }
    });
    said.exits(0);
    assert!(killed.len() >= 3, "killed at {killed:?} only");
    assert_ne!(machine.serving(), old);
    let seen = load.stop();
    assert!(seen.failures.is_empty(), "{:#?}", seen.failures.first());
}

#[test]
fn port_that_is_stolen_while_switching_fails_the_run_and_its_holder_is_named() {
    let machine = Machine::new();
    good(&machine);
    machine.commit("change");
    let run = machine.start(&["deploy", "local", "--output", "json"]);
    let mut thief = None;
    let said = at_steps(run, &["deploy.gate", "deploy.shift"], |step| {
        if step == "deploy.gate" {
            // From here on the switch waits for an answer that never comes.
            return kill("-STOP", supervisor(&machine));
        }
        // The stopped supervisor last: its successor would get the address from whoever still has it.
        instances(&machine).into_iter().for_each(|pid| kill("-KILL", pid));
        kill("-KILL", supervisor(&machine));
        let begun = Instant::now();
        while thief.is_none() {
            assert!(begun.elapsed() < Duration::from_secs(30), "somebody was faster than the thief");
            thief = TcpListener::bind(("127.0.0.1", machine.port)).ok();
        }
    });
    // The old release is dead and the new one cannot take its place: a person is needed.
    let said = said.exits(21);
    let end = said.events().pop().unwrap();
    let (port, pid) = (machine.port.to_string(), std::process::id().to_string());
    let failure = &end["failure"];
    for (key, word) in [("message", &port), ("message", &pid), ("hint", &pid)] {
        assert!(failure[key].as_str().unwrap().contains(word), "{end:#}");
    }
    machine.crmctl(&["deploy", "local"]).exits(10).says(&["ended stuck", "crmctl resolve local --reason"]);
    machine.crmctl(&["resolve", "local", "--reason", "the thief is known"]).exits(0);
    machine.crmctl(&["deploy", "local"]).exits(10).says(&["preflight/port", "taken by", &pid]);
    drop(thief);
    machine.crmctl(&["deploy", "local", "--skip", "perf", "--reason", "not this story"]).exits(0);
    machine.crmctl(&["smoke", "local"]).exits(0);
}
