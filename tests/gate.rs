//! A release that does not take the address, or has nobody to go back to. (How each fault ends: `judged.rs`.)

use crate::harness::machine::Machine;

#[test]
fn a_failed_first_deploy_leaves_nothing_serving() {
    let machine = Machine::new();
    machine.configure("crm-server-faults", &[]);
    machine.write_secrets("CRM_FAULT=exit\n", 0o600);
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
    machine.write_secrets("CRM_FAULT=deaf\n", 0o600);
    machine.crmctl(&["build", "local"]).exits(0);
    let said = machine.crmctl(&["deploy", "local", "--only", "deploy", "--output", "json"]).exits(20);
    let end = said.events().pop().unwrap();
    assert_eq!(end["ending"], "rolled_back", "{end}");
    assert!(end["failure"]["message"].as_str().unwrap().contains("no answer"), "{end}");
    assert_eq!(machine.serving(), good);
    machine.crmctl(&["smoke", "local"]).exits(0);
}
