//! No run looks at a world that an older one is still changing.

use serde_json::Value;
use sqlx::{Connection, PgConnection};

use crate::harness::machine::Machine;

const DEPLOY: [&str; 2] = ["deploy", "local"];

fn notes(machine: &Machine) -> std::path::PathBuf {
    machine.state().join("local/supervisor/state.json")
}

fn token(machine: &Machine) -> u64 {
    let notes: Value = serde_json::from_str(&std::fs::read_to_string(notes(machine)).unwrap()).unwrap();
    notes["token"].as_u64().unwrap()
}

#[test]
fn every_verb_that_makes_a_run_raises_the_fence_of_platform_and_database() {
    let machine = Machine::new();
    machine.crmctl(&DEPLOY).exits(0);
    machine.commit("Second release");
    machine.crmctl(&DEPLOY).exits(0);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let dsn = machine.migrator_dsn();
    let in_database = || -> i64 {
        runtime.block_on(async {
            let mut session = PgConnection::connect(&dsn).await.unwrap();
            sqlx::query_scalar("SELECT token FROM crmctl.fence").fetch_one(&mut session).await.unwrap()
        })
    };
    let revert = ["migrate", "rollback", "local", "22", "--accept-loss", "1000", "--while-serving"];
    for verb in [
        &["smoke", "local"][..],
        &["preflight", "local"],
        &["migrate", "local"],
        &["rollback", "local"],
        &DEPLOY,
        &revert,
    ] {
        let before = token(&machine);
        machine.crmctl(verb).exits(0);
        assert!(token(&machine) > before, "{verb:?} did not raise the fence");
        assert_eq!(in_database(), i64::try_from(token(&machine)).unwrap(), "{verb:?}");
    }
    let before = token(&machine);
    machine.crmctl(&["plan", "local"]).exits(0);
    machine.crmctl(&["deploy", "local", "--plan"]).exits(0);
    assert_eq!(token(&machine), before, "a look raised the fence");
}

#[test]
fn schema_that_is_being_changed_refuses_a_deploy_and_hinders_no_rollback() {
    let machine = Machine::new();
    machine.crmctl(&DEPLOY).exits(0);
    machine.commit("Second release");
    machine.crmctl(&DEPLOY).exits(0);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let dsn = machine.migrator_dsn();
    let session = runtime.block_on(async {
        let mut session =
            PgConnection::connect(&format!("{dsn}&application_name=crmctl%2Folder")).await.unwrap();
        // As a migration does that is in hand.
        sqlx::raw_sql("BEGIN; UPDATE crmctl.fence SET token = token").execute(&mut session).await.unwrap();
        session
    });
    let words = ["an earlier run is still changing the database", "wait until it is over"];
    machine.crmctl(&DEPLOY).exits(10).says(&words);
    machine.crmctl(&["migrate", "local"]).exits(10).says(&words);
    machine.crmctl(&["rollback", "local"]).exits(0);
    runtime.block_on(session.close()).unwrap();
    machine.crmctl(&DEPLOY).exits(0);
}

#[test]
fn run_goes_on_above_the_fence_of_a_lost_ledger_and_does_not_begin_where_there_is_none_to_read() {
    let machine = Machine::new();
    machine.crmctl(&DEPLOY).exits(0);
    machine.crmctl(&["down", "local"]).exits(0);
    let before = std::fs::read_to_string(notes(&machine)).unwrap();
    let mut newer: Value = serde_json::from_str(&before).unwrap();
    newer["token"] = 1_000_000.into();
    std::fs::write(notes(&machine), newer.to_string()).unwrap();
    machine.crmctl(&DEPLOY).exits(0);
    let after: Value = serde_json::from_str(&std::fs::read_to_string(notes(&machine)).unwrap()).unwrap();
    assert!(after["token"].as_u64() > Some(1_000_000), "{}", after["token"]);
    machine.crmctl(&["down", "local"]).exits(0);
    let before = std::fs::read_to_string(notes(&machine)).unwrap();
    std::fs::write(notes(&machine), "{").unwrap();
    machine.crmctl(&DEPLOY).exits(10).says(&["state.json"]);
    std::fs::write(notes(&machine), before).unwrap();
    machine.crmctl(&DEPLOY).exits(0);
}
