//! A seed that cannot get on.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection};

use crate::harness::machine::{Machine, Said};

/// The lock that lets one seed at a time through: the bytes of `crm_seed`.
const SEED_LOCK: i64 = i64::from_be_bytes(*b"crm_seed");

#[test]
fn ctrl_c_ends_a_seed_that_waits_for_a_lock() {
    let machine = Machine::new();
    machine.crmctl(&["build", "local"]).exits(0);
    machine.crmctl(&["migrate", "local"]).exits(0);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let dsn = machine.migrator_dsn();
    let mut session = runtime.block_on(async {
        let mut session = PgConnection::connect(&dsn).await.unwrap();
        sqlx::query("TRUNCATE users CASCADE").execute(&mut session).await.unwrap();
        sqlx::query("SELECT pg_advisory_lock($1)").bind(SEED_LOCK).execute(&mut session).await.unwrap();
        session
    });

    // As a shell does: crmctl leads the group that the terminal's INT is sent to.
    let mut command = machine.command(&["migrate", "local"]);
    let run = command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
    let begun = Instant::now();
    runtime.block_on(async {
        while sqlx::query_scalar::<_, i64>(waits).fetch_one(&mut session).await.unwrap() == 0 {
            assert!(begun.elapsed() < Duration::from_secs(60), "no seed waits for the lock");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let status = Command::new("kill").args(["-INT", "--", &format!("-{}", run.id())]).status().unwrap();
    assert!(status.success());
    let said = Said::from(run.wait_with_output().unwrap());
    said.exits(50).says(&["interrupted"]);

    runtime.block_on(async {
        let users: i64 =
            sqlx::query_scalar("SELECT count(*) FROM users").fetch_one(&mut session).await.unwrap();
        assert_eq!(users, 0);
        session.close().await.unwrap();
    });
    machine.crmctl(&["migrate", "local"]).exits(0);
    machine.crmctl(&["deploy", "local", "--skip", "perf", "--reason", "not this story"]).exits(0);
}
