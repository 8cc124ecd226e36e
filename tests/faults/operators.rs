//! Two operators at once, and one whose laptop slept longer than any lease lasts.

use std::io::{BufRead, BufReader};
use std::process::Child;
use std::time::Duration;

use super::{DEPLOY, records};
use crate::harness::machine::{Machine, Said};
use crate::interruption::{good, signal};

/// A deploy that has begun `step`.
fn deploy_until(machine: &Machine, step: &str) -> (Child, impl Iterator<Item = String> + use<>) {
    let mut run = machine.start(&[&DEPLOY[..], &["--output", "json"]].concat());
    let mut news = BufReader::new(run.stdout.take().unwrap()).lines().map_while(Result::ok);
    let begins = |line: &String| line.contains("step.started") && line.contains(&format!("\"{step}\""));
    assert!(news.any(|line| begins(&line)), "{step} never began");
    (run, news)
}

#[test]
fn a_second_operator_is_told_which_run_of_whom_on_which_host_since_when() {
    let machine = Machine::new();
    let serving = good(&machine);
    machine.commit("change");
    let (mut run, news) = deploy_until(&machine, "deploy.gate");
    // Nobody reads on: a full pipe must not be what holds it.
    drop(news);
    signal(&run, "-STOP");
    let lease = machine.status()["lease"].clone();
    let (holder, id) = (lease["holder"].as_str().unwrap(), lease["run"].as_str().unwrap());
    let (user, host) = holder.split_once('@').expect("a person at a host");
    assert!(!user.is_empty() && !host.is_empty(), "{holder}");
    let before = records(&machine);
    for verb in ["deploy", "rollback", "resume", "migrate", "smoke", "down"] {
        let told = machine.crmctl(&[verb, "local"]).exits(11);
        let told = told.says(&[holder, id, lease["since"].as_str().unwrap(), "hint: wait until run"]);
        assert!(told.err.contains("crmctl unlock"), "{verb}: {}", told.err);
    }
    assert_eq!(records(&machine), before, "a refused operator wrote something");
    machine.crmctl(&["history", "local"]).exits(0);
    signal(&run, "-CONT");
    woken(&machine, &mut run, &serving);
}

/// It went on to its end: done, or taken back because what it was waiting for had timed out while it slept.
#[track_caller]
fn woken(machine: &Machine, run: &mut Child, before: &str) {
    let code = run.wait().unwrap().code();
    match code {
        Some(0) => assert_ne!(machine.serving(), before),
        Some(20) => assert_eq!(machine.serving(), before),
        other => panic!("it ended with {other:?}"),
    }
    assert!(machine.status()["lease"].is_null());
    machine.crmctl(&DEPLOY).exits(0);
}

/// Longer than a lease of any ledger lasts.
const SLEEP: Duration = Duration::from_secs(35);

#[test]
fn an_operator_who_slept_past_the_lease_changes_nothing_when_somebody_came_meanwhile() {
    let machine = Machine::new();
    let old = good(&machine);
    machine.commit("change");
    let (first, news) = deploy_until(&machine, "deploy.gate");
    signal(&first, "-STOP");
    std::thread::sleep(SLEEP);
    // The process lives, so its lock does: nobody takes over by themselves, however long it slept.
    let lease = machine.status()["lease"].clone();
    let (id, token) = (lease["run"].as_str().unwrap(), lease["token"].to_string());
    machine.crmctl(&["resume", "local"]).exits(11).says(&[id, "crmctl unlock"]);
    let unlock = ["unlock", "local", "--run", id, "--token", &token, "--force", "--reason", "asleep"];
    machine.crmctl(&unlock).exits(0);
    machine.crmctl(&["rollback", "local", "--run", id]).exits(0);
    machine.commit("another change");
    machine.crmctl(&DEPLOY).exits(0);
    let (serving, before) = (machine.serving(), records(&machine));
    assert_ne!(serving, old);

    signal(&first, "-CONT");
    let last = news.last().unwrap();
    assert!(last.contains("run.finished") && last.contains("\"exit_code\":12"), "{last}");
    let said = Said::from(first.wait_with_output().unwrap()).exits(12);
    assert!(said.err.contains("crmctl status"), "no next command: {}", said.err);
    assert_eq!(records(&machine), before, "it wrote into a journal that is another run's");
    assert_eq!(machine.serving(), serving, "it changed what serves");
    machine.crmctl(&DEPLOY).exits(0);
}

#[test]
fn an_operator_who_slept_past_the_lease_goes_on_when_nobody_came() {
    let machine = Machine::new();
    let serving = good(&machine);
    machine.commit("change");
    let (mut alone, news) = deploy_until(&machine, "deploy.gate");
    drop(news);
    signal(&alone, "-STOP");
    std::thread::sleep(SLEEP);
    signal(&alone, "-CONT");
    woken(&machine, &mut alone, &serving);
}
