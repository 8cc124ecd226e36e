//! The schema alone: revert exactly one migration, with consent, and bring it back.

use serde_json::Value;

use crate::harness::machine::Machine;

fn state_of(machine: &Machine, version: i64) -> String {
    let status = machine.crmctl(&["migrate", "status", "local", "--output", "json"]).exits(0).json();
    let all = status["migrations"].as_array().unwrap();
    let one = all.iter().find(|one| one["version"].as_i64() == Some(version)).unwrap();
    one["state"].as_str().unwrap().to_owned()
}

#[test]
fn exactly_016_is_reverted_with_both_consents_and_comes_back() {
    let machine = Machine::new();
    machine.crmctl(&["deploy", "local", "--skip", "perf", "--reason", "not this story"]).exits(0);
    let refused = machine.crmctl(&["migrate", "rollback", "local", "16"]).exits(10);
    let refused = refused.says(&["--while-serving", "--accept-loss"]);
    assert_eq!(state_of(&machine, 16), "applied");
    let rows = refused.err.split("--accept-loss ").nth(1).unwrap();
    let rows: String = rows.chars().take_while(char::is_ascii_digit).collect();
    let few = ["migrate", "rollback", "local", "16", "--while-serving", "--accept-loss", "0"];
    machine.crmctl(&few).exits(10).says(&["--accept-loss"]);
    let all = ["migrate", "rollback", "local", "16", "--while-serving", "--accept-loss", &rows];
    machine.crmctl(&all).exits(0).says(&["016"]);
    assert_eq!(state_of(&machine, 16), "reverted");
    assert_eq!(state_of(&machine, 18), "applied");
    machine.crmctl(&["migrate", "local"]).exits(0);
    assert_eq!(state_of(&machine, 16), "applied");
    machine.crmctl(&["smoke", "local"]).exits(0);
}

#[test]
fn an_edited_migration_is_refused_and_what_served_still_serves() {
    let machine = Machine::new();
    machine.crmctl(&["deploy", "local", "--skip", "perf", "--reason", "not this story"]).exits(0);
    let good = machine.serving();
    let file = machine.checkout().join("backend/migrations/009_meta_ads.up.sql");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}\n-- changed afterwards\n")).unwrap();
    machine.commit("edit history");
    machine.crmctl(&["deploy", "local"]).exits(10).says(&["009", "hint:"]);
    assert_eq!(machine.serving(), good);
}

#[test]
fn a_duplicate_number_is_refused_with_its_file() {
    let machine = Machine::new();
    for (from, to) in
        [("009_meta_ads.up.sql", "009_again.up.sql"), ("009_meta_ads.down.sql", "009_again.down.sql")]
    {
        let directory = machine.checkout().join("backend/migrations");
        std::fs::copy(directory.join(from), directory.join(to)).unwrap();
    }
    machine.crmctl(&["deploy", "local"]).exits(10).says(&["009_again"]);
}

#[test]
fn broken_sql_names_its_file_and_line_and_nothing_is_switched() {
    let machine = Machine::new();
    machine.crmctl(&["deploy", "local", "--skip", "perf", "--reason", "not this story"]).exits(0);
    let good = machine.serving();
    let directory = machine.checkout().join("backend/migrations");
    std::fs::write(directory.join("019_broken.up.sql"), "-- crmctl:stage expand\nCREATE TABEL x (id int);\n")
        .unwrap();
    std::fs::write(directory.join("019_broken.down.sql"), "DROP TABLE x;\n").unwrap();
    std::fs::write(directory.join("verify/019_broken.sql"), "SELECT 1;\n").unwrap();
    machine.commit("broken");
    machine.crmctl(&["deploy", "local"]).exits(20).says(&["`019_broken.up.sql` line 2", "migrate.apply"]);
    assert_eq!(machine.serving(), good);
    let events: Vec<Value> = machine.crmctl(&["smoke", "local", "--output", "json"]).exits(0).events();
    assert_eq!(events.last().unwrap()["ending"], "done");
}
