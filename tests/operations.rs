//! What on-call asks and does beside deploys: doctor, unlock, completions, the manual page.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command};

use serde_json::Value;

use crate::harness::machine::Machine;

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

fn deploy(machine: &Machine) {
    machine.crmctl(&["deploy", "local", "--skip", "perf", "--reason", "not this story"]).exits(0);
}

fn line<'d>(diagnosis: &'d Value, check: &str) -> &'d Value {
    let lines = diagnosis["lines"].as_array().unwrap();
    lines.iter().find(|line| line["check"] == check).unwrap_or_else(|| panic!("no {check}: {diagnosis:#}"))
}

#[test]
fn doctor_says_what_is_wrong_and_names_the_next_command() {
    let machine = Machine::new();
    let nothing = machine.crmctl(&["doctor", "local", "--output", "json"]).exits(30).json();
    assert_eq!(line(&nothing, "doctor/serving")["hint"], "crmctl deploy local");
    assert!(!machine.state().join("local").exists(), "looking made something");

    deploy(&machine);
    let well = machine.crmctl(&["doctor", "local", "--output", "json"]).exits(0).json();
    assert_eq!(well["well"], true, "{well:#}");
    machine.crmctl(&["doctor", "local"]).exits(0).says(&["doctor/journal", "one chain", "doctor/serving"]);

    machine.crmctl(&["down", "local"]).exits(0);
    let down = machine.crmctl(&["doctor", "local"]).exits(30);
    down.says(&["expected a release that serves, got none", "next: crmctl deploy local"]);

    let journal = machine.state().join("local/ledger/journal.ndjson");
    let whole = std::fs::read_to_string(&journal).unwrap();
    std::fs::write(&journal, whole.replacen("\"seq\":2,", "\"seq\":3,", 1)).unwrap();
    let broken = machine.crmctl(&["doctor", "local", "--output", "json"]).exits(30).json();
    let said = line(&broken, "doctor/journal")["actual"].as_str().unwrap();
    assert!(said.contains("broken at line"), "{said}");
    std::fs::write(&journal, whole).unwrap();
}

#[test]
fn lease_of_a_run_that_hangs_is_taken_away_and_the_run_learns_it() {
    let machine = Machine::new();
    deploy(&machine);
    machine.commit("change");
    let mut run = machine.start(&["deploy", "local", "--output", "json"]);
    let mut news = BufReader::new(run.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(news.any(|line| line.contains("step.started") && line.contains("perf.load")), "perf never began");
    signal(&run, "-STOP");

    let lease = machine.status()["lease"].clone();
    let (id, token) = (lease["run"].as_str().unwrap().to_owned(), lease["token"].to_string());
    let unlock = |token: &str, more: &[&str]| {
        let given = ["unlock", "local", "--run", &id, "--token", token];
        machine.crmctl(&[&given[..], more].concat())
    };
    machine.crmctl(&["deploy", "local"]).exits(11).says(&[&id, &format!("token {token}"), "crmctl unlock"]);
    unlock("999999", &[]).exits(10).says(&["give its run and token"]);
    unlock(&token, &[]).exits(11).says(&["its process lives", "--force --reason"]);
    unlock(&token, &["--force"]).exits(2);
    unlock(&token, &["--force", "--reason", "the laptop is shut"]).exits(0);
    assert!(machine.status()["lease"].is_null());
    unlock(&token, &[]).exits(10).says(&["nobody holds the lease"]);

    machine.crmctl(&["resume", "local"]).exits(0);
    let serving = machine.serving();
    signal(&run, "-CONT");
    assert!(news.any(|line| line.contains("run.finished") && line.contains("\"exit_code\":12")));
    assert_eq!(run.wait().unwrap().code(), Some(12));
    assert_eq!(machine.serving(), serving);
    machine.crmctl(&["deploy", "local"]).exits(0);
    let history = machine.crmctl(&["history", "local", "--output", "json"]).exits(0).json();
    assert!(history["runs"].as_array().unwrap().iter().any(|run| run["verb"] == "unlock"), "{history:#}");
}

#[test]
fn shells_and_man_know_every_verb() {
    let machine = Machine::new();
    for shell in ["bash", "zsh", "fish"] {
        machine.crmctl(&["completions", shell]).exits(0).says(&["crmctl", "rollback", "doctor"]);
    }
    let page = machine.crmctl(&["man"]).exits(0).says(&[".TH crmctl", "Exit codes", "crmctl\\-rollback"]);
    assert!(!page.out.contains("supervise"), "a hidden verb is shown");
    let script = machine.crmctl(&["completions", "bash"]).exits(0).out;
    let mut check = Command::new("bash").arg("-n").stdin(std::process::Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut check.stdin.take().unwrap(), script.as_bytes()).unwrap();
    assert!(check.wait().unwrap().success());
}
