//! The schema alone: revert exactly one migration, with consent, and bring it back.

use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::{Connection, PgConnection};

use crate::harness::machine::{Machine, Said};
use crate::interruption::{signal, until_step};

const DEPLOY: [&str; 6] = ["deploy", "local", "--skip", "perf", "--reason", "not this story"];

/// Writes the three files of a migration.
fn migration(machine: &Machine, name: &str, up: &str, down: &str) {
    let directory = machine.checkout().join("backend/migrations");
    std::fs::write(directory.join(format!("{name}.up.sql")), up).unwrap();
    std::fs::write(directory.join(format!("{name}.down.sql")), down).unwrap();
    std::fs::write(directory.join(format!("verify/{name}.sql")), "SELECT 1 = 1;\n").unwrap();
}

/// Both consents, for whatever the migration holds.
const CONSENTS: [&str; 7] =
    ["migrate", "rollback", "local", "16", "--while-serving", "--accept-loss", "1000000"];

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
    std::fs::write(directory.join("901_broken.up.sql"), "-- crmctl:stage expand\nCREATE TABEL x (id int);\n")
        .unwrap();
    std::fs::write(directory.join("901_broken.down.sql"), "DROP TABLE x;\n").unwrap();
    std::fs::write(directory.join("verify/901_broken.sql"), "SELECT 1 = 1;\n").unwrap();
    machine.commit("broken");
    machine.crmctl(&["deploy", "local"]).exits(20).says(&["`901_broken.up.sql` line 2", "migrate.apply"]);
    assert_eq!(machine.serving(), good);
    let events: Vec<Value> = machine.crmctl(&["smoke", "local", "--output", "json"]).exits(0).events();
    assert_eq!(events.last().unwrap()["ending"], "done");
}

#[test]
fn a_contract_migration_waits_for_its_verb_and_for_releases_that_need_the_old_shape() {
    let machine = Machine::new();
    machine.crmctl(&DEPLOY).exits(0);
    let old = machine.serving();
    let drop =
        "-- crmctl:stage contract\n-- crmctl:breaks-below 901\nDROP INDEX leads_tenant_meta_list_idx;\n";
    let back = "CREATE INDEX leads_tenant_meta_list_idx ON leads (tenant_id, created_at DESC, id DESC);\n";
    migration(&machine, "901_narrow", drop, back);
    machine.commit("take an index away");
    machine.crmctl(&["migrate", "local", "--contract"]).exits(10).says(&["crmctl build local"]);

    machine.crmctl(&DEPLOY).exits(0);
    let new = machine.serving();
    assert_ne!(new, old);
    assert_eq!(state_of(&machine, 901), "pending");
    machine.crmctl(&DEPLOY).exits(0);
    machine.crmctl(&["migrate", "local"]).exits(0);
    machine.crmctl(&["migrate", "plan", "local"]).exits(0).says(&["nothing pending"]);
    machine.crmctl(&["migrate", "plan", "local", "--contract"]).exits(0).says(&["901 narrow"]);
    machine.crmctl(&["migrate", "local", "--plan"]).exits(0).says(&["crmctl migrate local --contract"]);

    let refused = machine.crmctl(&["migrate", "local", "--contract"]).exits(10);
    refused.says(&["contract migration 901", &old, "crmctl release block local"]);
    assert_eq!(state_of(&machine, 901), "pending");

    migration(&machine, "902_wide", "-- crmctl:stage expand\nCREATE TABLE wide ();\n", "DROP TABLE wide;\n");
    machine.commit("build on it");
    machine.crmctl(&DEPLOY).exits(10).says(&["902 wait behind contract migration 901", "--contract"]);
    assert_eq!(machine.serving(), new);

    machine.crmctl(&["release", "block", "local", &old, "--reason", "needs the index"]).exits(0);
    machine.crmctl(&["build", "local"]).exits(0);
    machine.crmctl(&["migrate", "local", "--contract"]).exits(0);
    assert_eq!(state_of(&machine, 901), "applied");
    assert_eq!(state_of(&machine, 902), "applied");
    machine.crmctl(&DEPLOY).exits(0);
}

#[test]
fn an_edited_migration_is_refused_by_migrate_alone_too() {
    let machine = Machine::new();
    machine.crmctl(&DEPLOY).exits(0);
    let file = machine.checkout().join("backend/migrations/009_meta_ads.up.sql");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}\n-- changed afterwards\n")).unwrap();
    machine.crmctl(&["build", "local"]).exits(0);
    machine.crmctl(&["migrate", "local"]).exits(10).says(&["009_meta_ads.up.sql", "edited", "hint:"]);
    std::fs::write(&file, text).unwrap();
    machine.crmctl(&["migrate", "local"]).exits(0);
}

#[test]
fn a_revert_counts_the_serving_release_whose_description_is_damaged() {
    let machine = Machine::new();
    machine.crmctl(&DEPLOY).exits(0);
    let serving = machine.serving();
    let file = machine.state().join("local/releases").join(&serving).join("release.json");
    std::fs::write(&file, "{\"schema\":1,").unwrap();
    let refused =
        machine.crmctl(&["migrate", "rollback", "local", "16", "--accept-loss", "1000000"]).exits(10);
    refused.says(&["--while-serving", &serving]);
    assert_eq!(state_of(&machine, 16), "applied");
}

#[test]
fn a_revert_is_refused_when_nobody_can_tell_what_serves() {
    let machine = Machine::new();
    machine.crmctl(&DEPLOY).exits(0);
    let releases = machine.state().join("local/releases");
    let aside = machine.state().join("local/releases-aside");
    std::fs::rename(&releases, &aside).unwrap();
    std::fs::write(&releases, "no directory").unwrap();
    machine.crmctl(&CONSENTS).exits(10).says(&["releases` cannot be used", "not a directory", "hint:"]);
    std::fs::remove_file(&releases).unwrap();
    std::fs::rename(&aside, &releases).unwrap();
    assert_eq!(state_of(&machine, 16), "applied");
}

#[test]
fn a_revert_waits_for_an_unfinished_run_and_is_written_down() {
    let machine = Machine::new();
    machine.crmctl(&DEPLOY).exits(0);
    machine.commit("change");
    let mut run = machine.start(&["deploy", "local", "--output", "json"]);
    until_step(&mut run, "smoke.run");
    signal(&run, "-KILL");
    run.wait().unwrap();
    machine.crmctl(&CONSENTS).exits(10).says(&["is not finished", "crmctl resume local"]);
    assert_eq!(state_of(&machine, 16), "applied");
    machine.crmctl(&["rollback", "local"]).exits(0);

    machine.crmctl(&CONSENTS[..4]).exits(10).says(&["--while-serving"]);
    let last = machine.status()["last_run"].clone();
    assert_eq!((&last["verb"], &last["ending"]), (&"migrate rollback".into(), &"refused".into()));
    machine.crmctl(&CONSENTS).exits(0);
    let last = machine.status()["last_run"].clone();
    assert_eq!((&last["verb"], &last["ending"]), (&"migrate rollback".into(), &"done".into()));
    machine.crmctl(&["migrate", "local"]).exits(0);
    machine.crmctl(&["smoke", "local"]).exits(0);
}

#[test]
fn a_directory_and_a_database_need_no_checkout_and_no_environment() {
    let machine = Machine::new();
    machine.crmctl(&DEPLOY).exits(0);
    let nowhere = tempfile::tempdir().unwrap();
    let files = nowhere.path().join("files");
    std::fs::create_dir_all(files.join("verify")).unwrap();
    let dsn = machine.migrator_dsn();
    let migrate = |words: &[&str]| -> Said {
        let mut command = machine.command(&[&["migrate"], words].concat());
        command.current_dir(nowhere.path()).env("ELSEWHERE", &dsn);
        command.output().unwrap().into()
    };
    let subject = ["--dir", "files", "--dsn-env", "ELSEWHERE"];
    migrate(&[&["status"], &subject[..]].concat()).exits(0).says(&["001"]);
    migrate(&[&["apply"], &subject[..]].concat()).exits(10).says(&["its files are missing"]);
    migrate(&["apply", "--dir", "files", "--dsn-env", "NOT_SET"]).exits(10).says(&["`NOT_SET`"]);
    migrate(&[&["apply", "local"], &subject[..]].concat()).exits(2).says(&["cannot be used with"]);
    let both = machine.crmctl(&[&["migrate", "apply", "local"], &subject[..]].concat());
    both.exits(2).says(&["cannot be used with"]);
}

#[test]
fn a_killed_revert_blocks_nobody_and_is_never_told_as_done() {
    let machine = Machine::new();
    machine.crmctl(&DEPLOY).exits(0);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let dsn = machine.migrator_dsn();
    let session = runtime.block_on(async {
        let mut session = PgConnection::connect(&dsn).await.unwrap();
        sqlx::raw_sql("BEGIN; SELECT FROM notifications LIMIT 1").execute(&mut session).await.unwrap();
        session
    });
    let mut revert = machine.start(&CONSENTS);
    let begun = Instant::now();
    while machine.status()["last_run"]["verb"] != "migrate rollback" {
        assert!(begun.elapsed() < Duration::from_secs(60), "the revert is not written down");
    }
    signal(&revert, "-KILL");
    revert.wait().unwrap();
    runtime.block_on(session.close()).unwrap();
    assert!(machine.status()["last_run"]["ending"].is_null());
    assert_eq!(state_of(&machine, 16), "applied");
    machine.crmctl(&["resume", "local"]).exits(10).says(&["no run of `local` is unfinished"]);
    machine.crmctl(&CONSENTS).exits(0);
    machine.crmctl(&DEPLOY).exits(0);
    assert_eq!(state_of(&machine, 16), "applied");
}
