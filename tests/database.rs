//! The database of an environment seen from outside: no password in any log, no wait without an end, and the state
//! of an ordinary user that outlasts a login.

use std::net::TcpListener;

use crate::harness::machine::{Machine, Said};

#[test]
fn the_loudest_log_of_a_first_deploy_holds_no_secret() {
    let machine = Machine::new();
    let mut command = machine.command(&["deploy", "local", "--skip", "perf", "--reason", "not this story"]);
    let said: Said = command.env("CRMCTL_LOG", "trace").output().unwrap().into();
    let said = said.exits(0);
    assert!(said.err.contains("DEBUG") || said.err.contains("TRACE"), "nothing was logged:\n{}", said.err);
    let state = machine.state().join("local");
    let secrets = std::fs::read_to_string(state.join("secrets.env")).unwrap();
    let log = std::fs::read_to_string(state.join("logs/postgres.log")).unwrap();
    let values: Vec<&str> = secrets.lines().filter_map(|line| Some(line.split_once('=')?.1)).collect();
    assert_eq!(values.len(), 4);
    for value in values {
        let shown = [&said.out, &said.err, &log].iter().any(|text| text.contains(value));
        assert!(!shown, "a generated secret is shown");
    }
}

#[test]
fn a_database_that_takes_connections_and_says_nothing_is_told() {
    let machine = Machine::new();
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = mute.local_addr().unwrap();
    let outside = "dsn_key = \"POSTGRES_DSN\"\nmigrator_dsn_key = \"POSTGRES_MIGRATOR_DSN\"";
    machine.configure("crm-server", &[("embedded = true", outside)]);
    machine.commit("outside database");
    let secrets = format!(
        "POSTGRES_DSN=postgresql://crm_app:pw@{place}/crm\nPOSTGRES_MIGRATOR_DSN=postgresql://crm_migrator:pw@{place}/crm\n\
         JWT_SECRET=0f1e2d3c4b5a69788796a5b4c3d2e1f0\nSMOKE_PASSWORD=0f1e2d3c4b\n"
    );
    machine.write_secrets(&secrets, 0o600);
    machine.crmctl(&["preflight", "local"]).exits(10).says(&["preflight/database", "no answer within 5 s"]);
    drop(mute);
    machine.configure("crm-server", &[]);
}
