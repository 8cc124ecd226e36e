//! Loads that say something: a dead service is no success, and a tightened target is judged.

use std::net::TcpListener;

use serde_json::Value;

use crate::harness::machine::Machine;

/// A suite that asks one path and logs nobody in.
fn suite(machine: &Machine, name: &str, path: &str) -> String {
    let text = format!("schema = 1\n[http.one]\npath = \"{path}\"\nexpect = [\"status == 200\"]\n");
    let file = format!("config/suites/{name}.toml");
    std::fs::write(machine.checkout().join(&file), text).unwrap();
    file
}

#[test]
fn a_load_without_a_right_answer_fails_though_no_threshold_is_required() {
    let machine = Machine::new();
    let file = suite(&machine, "health", "/health");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{closed}");
    let load = ["perf", "--url", &url, "--suite", &file, "--rate", "20", "--duration", "1"];
    machine.crmctl(&load).exits(30).says(&["perf/requests-answered", "0 of 20", "connect"]);

    suite(&machine, "nowhere", "/nowhere");
    let own = [
        ("[perf]\nsuite = \"smoke\"", "[perf]\nsuite = \"nowhere\""),
        ("require = [\"api_p95_ms\", \"database_p95_ms\", \"memory_growth_mb\"]", "require = []"),
    ];
    machine.configure("crm-server", &own);
    machine.crmctl(&["deploy", "local", "--skip", "perf", "--reason", "not this story"]).exits(0);
    machine.crmctl(&["perf", "local"]).exits(30).says(&["perf/requests-answered", "status_404"]);
    suite(&machine, "nowhere", "/health");
    machine.crmctl(&["perf", "local"]).exits(0).says(&["perf/requests-answered", "perf/load-is-valid"]);
}

/// What became of perf in a deploy.
fn perf(machine: &Machine) -> Value {
    let events = machine.crmctl(&["deploy", "local", "--output", "json"]).exits(0).events();
    events.last().unwrap()["phases"][5]["status"].clone()
}

#[test]
fn a_changed_threshold_or_suite_is_measured_again() {
    let machine = Machine::new();
    assert_eq!(perf(&machine), "done");
    assert_eq!(perf(&machine), "unchanged");
    let edit = |file: &str, from: &str, to: &str| {
        let file = machine.checkout().join(file);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from));
        std::fs::write(file, text.replacen(from, to, 1)).unwrap();
    };
    edit("config/thresholds.toml", "\"p50\"\nbelow_ms = 30000", "\"p50\"\nbelow_ms = 29000");
    assert_eq!(perf(&machine), "done");
    edit("config/thresholds.toml", "\"max\"\nbelow_ms = 30000", "\"max\"\nbelow_ms = 29000");
    assert_eq!(perf(&machine), "unchanged", "nobody requires that one");
    edit("config/suites/smoke.toml", "load_weight = 4", "load_weight = 3");
    assert_eq!(perf(&machine), "done");
}

#[test]
fn a_slow_release_fails_its_target_and_no_generator_is_blamed() {
    let machine = Machine::new();
    machine.configure("crm-server-faults", &[]);
    machine.write_secrets("CRM_FAULT=slow_ms=700\n", 0o600);
    machine.crmctl(&["deploy", "local", "--skip", "perf", "--reason", "not this story"]).exits(0);
    let file = machine.checkout().join("config/thresholds.toml");
    let patient = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, patient.replacen("below_ms = 30000", "below_ms = 500", 1)).unwrap();
    let said = machine.crmctl(&["perf", "local"]).exits(30).says(&["perf/api_p95_ms", "expected < 500 ms"]);
    assert!(!said.out.contains("INVALID") && !said.out.contains("connections were busy"), "{}", said.out);
}
