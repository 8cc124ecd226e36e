//! No request fails while releases come and go.

use crate::harness::client::Load;
use crate::harness::machine::Machine;

#[test]
fn three_deploys_and_three_rollbacks_under_load_fail_no_request() {
    let machine = Machine::new();
    machine.crmctl(&["deploy", "local"]).exits(0);
    let first = machine.serving();
    let load = Load::start(machine.port, 200);
    let mut served = vec![first.clone()];
    for number in 1..=3 {
        machine.commit(&format!("change {number}"));
        machine.crmctl(&["deploy", "local", "--skip", "perf", "--reason", "load is on already"]).exits(0);
        served.push(machine.serving());
    }
    for number in (0..3).rev() {
        machine.crmctl(&["rollback", "local"]).exits(0);
        assert_eq!(machine.serving(), served[number], "rollback goes one further back each time");
    }
    let seen = load.stop();
    assert!(
        seen.failures.is_empty(),
        "{} of {}: {:#?}",
        seen.failures.len(),
        seen.total(),
        seen.failures.first()
    );
    for release in &served {
        assert!(seen.releases.contains_key(release), "{release} was never seen: {:?}", seen.releases);
    }
    machine.crmctl(&["rollback", "local"]).exits(10).says(&["there is no release to go back to", "hint:"]);
    assert_eq!(machine.serving(), first);
}
