//! `crmctl down`: stops what is ours, removes only what is ours, and says how it ended to people and machines.

use serde_json::Value;

use crate::harness::machine::Machine;

const DEPLOY: [&str; 5] = ["deploy", "local", "--skip=perf", "--reason", "not this story"];

fn notes(machine: &Machine) -> std::path::PathBuf {
    machine.state().join("local/supervisor/state.json")
}

#[test]
fn releases_over_an_outside_database_are_stopped_and_it_is_not_removed() {
    let machine = Machine::new();
    machine.crmctl(&DEPLOY).exits(0);
    let outside = "dsn_key = \"POSTGRES_DSN\"\nmigrator_dsn_key = \"POSTGRES_MIGRATOR_DSN\"";
    machine.configure("crm-server", &[("embedded = true", outside)]);
    let said = machine.crmctl(&["down", "local", "--purge", "--yes"]).exits(10);
    said.says(&["not ours to remove", "hint: run `crmctl down local`"]);
    assert!(std::net::TcpStream::connect(("127.0.0.1", machine.port)).is_ok(), "a refusal stopped it");
    machine.crmctl(&["down", "local"]).exits(0).says(&["next: crmctl deploy local"]);
    assert!(std::net::TcpStream::connect(("127.0.0.1", machine.port)).is_err(), "it goes on");
    assert!(machine.state().join("local/releases").is_dir());
    machine.configure("crm-server", &[]);
}

#[test]
fn machines_are_told_how_it_ended_and_a_newer_token_at_the_platform_locks_nobody_out() {
    let machine = Machine::new();
    let down = ["down", "local", "--output", "json"];
    let last = |said: &crate::harness::machine::Said| -> Value { said.events().pop().unwrap() };
    let end = last(&machine.crmctl(&down).exits(0));
    assert_eq!((&end["event"], &end["ending"]), (&"run.finished".into(), &"done".into()), "{end}");
    machine.crmctl(&DEPLOY).exits(0);
    let end = last(&machine.crmctl(&down).exits(0));
    assert_eq!((&end["verb"], &end["next"]), (&"down".into(), &"crmctl deploy local".into()), "{end}");

    let before = std::fs::read_to_string(notes(&machine)).unwrap();
    let mut newer: Value = serde_json::from_str(&before).unwrap();
    newer["token"] = 1_000_000.into();
    std::fs::write(notes(&machine), newer.to_string()).unwrap();
    let end = last(&machine.crmctl(&down).exits(0));
    assert_eq!(
        end["ending"], "done",
        "a ledger that knows fewer tokens than the platform locks the door: {end}"
    );
    let now: Value = serde_json::from_str(&std::fs::read_to_string(notes(&machine)).unwrap()).unwrap();
    assert!(now["token"].as_u64().unwrap() > 1_000_000, "{now}");

    std::fs::write(notes(&machine), "{").unwrap();
    let said = machine.crmctl(&down).exits(20).says(&["state.json"]);
    let end = last(&said);
    assert_eq!((&end["ending"], &end["failure"]["class"]), (&"failed".into(), &"failed".into()), "{end}");
    std::fs::write(notes(&machine), before).unwrap();
}

#[test]
fn going_down_leaves_a_report_where_one_is_asked_for() {
    let machine = Machine::new();
    machine.crmctl(&DEPLOY).exits(0);
    let kept = |folder: &str| -> Value {
        let folder = machine.checkout().join(folder);
        for file in ["junit.xml", "report.md", "report.html"] {
            assert!(folder.join(file).is_file(), "{file} is missing");
        }
        let result = serde_json::from_slice(&std::fs::read(folder.join("run.json")).unwrap()).unwrap();
        crate::contract::fits("run", &result);
        result
    };
    machine.crmctl(&["down", "local", "--purge", "--report", "no"]).exits(10).says(&["not confirmed"]);
    let refused = kept("no");
    assert_eq!((&refused["ending"], &refused["exit_code"]), (&"refused".into(), &10.into()), "{refused}");
    assert!(refused["failure"]["hint"].as_str().unwrap().contains("--purge --yes"), "{refused}");

    let said = machine.crmctl(&["down", "local", "--report", "yes", "--output", "json"]).exits(0);
    assert_eq!(said.events().pop().unwrap()["report"], "yes");
    let done = kept("yes");
    assert_eq!((&done["verb"], &done["ending"]), (&"down".into(), &"done".into()), "{done}");
    assert_eq!(done["next"], "crmctl deploy local");
    assert!(done["seconds"].as_f64().unwrap() > 0.0, "{done}");
    machine.crmctl(&["down", "local", "--report", "/proc/nowhere"]).exits(0).says(&["cannot be written"]);
}
