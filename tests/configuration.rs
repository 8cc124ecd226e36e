//! Going back means the old bytes with the old configuration, also when the files have changed since or broke.

use std::os::unix::fs::PermissionsExt;

use crate::harness::machine::Machine;

const DEPLOY: [&str; 5] = ["deploy", "local", "--skip=perf", "--reason", "not this story"];

/// Variables of the process that serves.
fn environment(machine: &Machine) -> String {
    let notes = std::fs::read(machine.state().join("local/supervisor/state.json")).unwrap();
    let notes: serde_json::Value = serde_json::from_slice(&notes).unwrap();
    let mut instances = notes["instances"].as_array().unwrap().iter();
    let serving = instances.find(|instance| instance["role"] == "serving").unwrap();
    let pid = serving["process"]["pid"].as_i64().unwrap();
    String::from_utf8(std::fs::read(format!("/proc/{pid}/environ")).unwrap()).unwrap()
}

#[test]
fn rollback_brings_the_old_configuration_back_although_the_files_changed_and_broke() {
    let machine = Machine::new();
    machine.crmctl(&DEPLOY).exits(0);
    let good = machine.serving();
    machine.configure(
        "crm-server",
        &[
            ("url = \"http", "env = { BODY_LIMIT_BYTES = \"2048\" }\nurl = \"http"),
            ("retention = 3", "retention = 4"),
        ],
    );
    machine.crmctl(&DEPLOY).exits(0);
    assert_ne!(machine.serving(), good, "another configuration is another release");
    assert!(environment(&machine).contains("BODY_LIMIT_BYTES=2048\0"));
    let file = machine.checkout().join(".env.local");
    std::fs::write(&file, "LOG_LEVEL=DEBUG\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    // It goes back; what its smoke would log in with stands in the broken file.
    machine.crmctl(&["rollback", "local"]).exits(31).says(&["can be read by others"]);
    assert_eq!(machine.serving(), good);
    let environment = environment(&machine);
    assert!(!environment.contains("BODY_LIMIT_BYTES"), "it runs with the later configuration");
    assert!(environment.contains("POSTGRES_DSN=") && environment.contains(&format!("CRM_RELEASE={good}")));
}
