//! A release that does not work never meets a user.

use crate::harness::client::Load;
use crate::harness::machine::Machine;

/// Deploys a release with a fault over a good one under load and asserts that nobody noticed.
#[track_caller]
fn is_stopped_at_the_gate(fault: &str, step: &str, words: &[&str]) {
    let machine = Machine::new();
    machine.crmctl(&["deploy", "local", "--skip", "perf", "--reason", "not this story"]).exits(0);
    let good = machine.serving();
    let deadline = ("url = \"http", "ready_deadline_seconds = 4\nurl = \"http");
    machine.configure("crm-server-faults", &[deadline]);
    secrets(&machine, &format!("CRM_FAULT={fault}\n"));
    machine.commit("a bad change");
    let load = Load::start(machine.port, 100);
    let said = machine.crmctl(&["deploy", "local"]).exits(20);
    let seen = load.stop();
    assert!(seen.failures.is_empty(), "{:#?}", seen.failures.first());
    assert_eq!(seen.releases.keys().collect::<Vec<_>>(), [&good], "only the old release answered");
    assert_eq!(machine.serving(), good);
    said.says(&[step]).says(words);
    let blocked = machine.status()["blocked"].clone();
    assert_eq!(blocked.as_array().unwrap().len(), 1, "{blocked}");
    machine.crmctl(&["deploy", "local"]).exits(10).says(&["is blocked"]);
}

fn secrets(machine: &Machine, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    let file = machine.checkout().join(".env.local");
    std::fs::write(&file, text).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_release_that_never_gets_ready_leaves_the_old_one_serving() {
    is_stopped_at_the_gate("never_ready", "deploy.ready", &["  | "]);
}

#[test]
fn a_release_that_exits_leaves_the_old_one_serving_and_its_log_is_shown() {
    is_stopped_at_the_gate("exit", "deploy.ready", &["exit", "  | "]);
}

#[test]
fn a_release_with_a_broken_login_leaves_the_old_one_serving() {
    is_stopped_at_the_gate("login_broken", "deploy.gate", &["smoke/login", "status == 200", "500", "  | "]);
}

#[test]
fn a_failed_first_deploy_leaves_nothing_serving() {
    let machine = Machine::new();
    machine.configure("crm-server-faults", &[]);
    secrets(&machine, "CRM_FAULT=exit\n");
    machine.commit("bad from the start");
    machine.crmctl(&["deploy", "local"]).exits(20).says(&["deploy.ready"]);
    assert_eq!(machine.serving(), "nothing");
}

#[test]
fn a_release_that_takes_the_address_and_hangs_is_never_called_deployed() {
    let machine = Machine::new();
    machine.crmctl(&["deploy", "local", "--skip", "perf", "--reason", "not this story"]).exits(0);
    let good = machine.serving();
    machine.configure("crm-server-faults", &[]);
    secrets(&machine, "CRM_FAULT=deaf\n");
    machine.crmctl(&["build", "local"]).exits(0);
    let said = machine.crmctl(&["deploy", "local", "--only", "deploy", "--output", "json"]).exits(20);
    let end = said.events().pop().unwrap();
    assert_eq!(end["ending"], "rolled_back", "{end}");
    assert!(end["failure"]["message"].as_str().unwrap().contains("no answer"), "{end}");
    assert_eq!(machine.serving(), good);
    machine.crmctl(&["smoke", "local"]).exits(0);
}
