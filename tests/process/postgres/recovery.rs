//! The private PostgreSQL after a crash, a reboot, a lost socket or damage to its data, and where little can be seen.

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;

use crmctl::platform::process::postgres::{PostgresError, PostgresState, PrivatePostgres};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

use super::super::machine::{Machine, kill};
use super::{answers, password, provisioning, running_pid};

#[tokio::test]
async fn killed_server_recovers() {
    let machine = Machine::new();
    let postgres = PrivatePostgres::new(machine.state());
    postgres.ensure_running(&password()).await.unwrap();
    kill(running_pid(&postgres));
    let again = postgres.ensure_running(&password()).await.unwrap();
    assert!(again.started && !again.created);
    assert_eq!(answers(&postgres).await, "postgres");
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn pid_file_with_the_number_of_another_program_is_stale() {
    let machine = Machine::new();
    let postgres = PrivatePostgres::new(machine.state());
    postgres.ensure_running(&password()).await.unwrap();
    postgres.stop().await.unwrap();
    let user = std::fs::metadata(machine.state().postgres()).unwrap().uid();
    let mut other = std::process::Command::new("sleep").uid(user).arg("600").spawn().unwrap();
    let data = machine.state().postgres().join("data");
    let pid_file = data.join("postmaster.pid");
    let text = format!("{}\n{}\n1\n5432\n/nowhere\n\n  1 1\nready   \n", other.id(), data.display());
    std::fs::write(&pid_file, text).unwrap();
    let sockets = machine.state().sockets().unwrap();
    std::fs::write(sockets.postgres().join(".s.PGSQL.5432.lock"), format!("{}\n", other.id())).unwrap();
    assert_eq!(postgres.state().unwrap(), PostgresState::Stopped);
    assert!(postgres.ensure_running(&password()).await.unwrap().started);
    assert!(other.try_wait().unwrap().is_none(), "the other program was harmed");
    other.kill().unwrap();
    other.wait().unwrap();
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn half_made_data_directory_is_made_anew() {
    let machine = Machine::new();
    machine.state().ensure().unwrap();
    for half in ["postgres/data.new/base", "postgres/data"] {
        std::fs::create_dir_all(machine.state().path().join(half)).unwrap();
    }
    let postgres = PrivatePostgres::new(machine.state());
    assert_eq!(postgres.state().unwrap(), PostgresState::Absent);
    assert!(postgres.ensure_running(&password()).await.unwrap().created);
    assert_eq!(answers(&postgres).await, "postgres");
    assert!(!machine.state().postgres().join("data.new").exists());
    assert!(!machine.state().postgres().join("password").exists());
    postgres.stop().await.unwrap();
}

/// A crmctl that is killed while `initdb` works leaves it behind; the next one failed over its files.
#[tokio::test]
async fn maker_of_a_killed_crmctl_does_not_disturb_the_next() {
    let machine = Machine::new();
    machine.state().ensure().unwrap();
    let half_made = machine.state().postgres().join("data.new");
    std::fs::create_dir_all(&half_made).unwrap();
    // Called as `initdb` is, and in nobody's way until it is ended.
    let mut orphan = std::process::Command::new("bash");
    orphan.arg0("initdb").arg("-c").arg("while :; do mkdir -p \"$0/base\"; sleep 0.01; done").arg(&half_made);
    let mut orphan = orphan.process_group(0).spawn().unwrap();
    let postgres = PrivatePostgres::new(machine.state());
    assert!(postgres.ensure_running(&password()).await.unwrap().created);
    assert!(orphan.wait().unwrap().code().is_none(), "it was killed");
    assert_eq!(answers(&postgres).await, "postgres");
    assert!(!half_made.exists());
    postgres.stop().await.unwrap();
}

/// Nobody may trace another user's process from here on, as in a container of the usual kind.
fn give_up_tracing() {
    let mut sets = capabilities(None).unwrap();
    for set in [&mut sets.effective, &mut sets.permitted, &mut sets.inheritable] {
        set.remove(CapabilitySet::SYS_PTRACE);
    }
    set_capabilities(None, sets).unwrap();
}

#[tokio::test]
async fn living_server_is_found_without_the_right_to_trace_it() {
    give_up_tracing();
    let machine = Machine::new();
    let postgres = PrivatePostgres::new(machine.state());
    assert!(postgres.ensure_running(&password()).await.unwrap().started);
    let pid = running_pid(&postgres);
    let others =
        std::fs::metadata(format!("/proc/{pid}")).unwrap().uid() != rustix::process::geteuid().as_raw();
    assert_eq!(std::fs::read_link(format!("/proc/{pid}/cwd")).is_err(), others);
    assert!(!postgres.ensure_running(&password()).await.unwrap().started);
    assert_eq!(running_pid(&postgres), pid);
    kill(pid);
    let again = postgres.ensure_running(&password()).await.unwrap();
    assert!(again.started && !again.created);
    assert_eq!(answers(&postgres).await, "postgres");
    assert!(postgres.stop().await.unwrap());
}

#[tokio::test]
async fn damaged_data_are_refused_and_not_removed() {
    let machine = Machine::new();
    let postgres = PrivatePostgres::new(machine.state());
    postgres.ensure_running(&password()).await.unwrap();
    let version = machine.state().postgres().join("data/PG_VERSION");
    let good = std::fs::read(&version).unwrap();
    let table = machine.state().postgres().join("data/global/pg_control");
    for damage in [&b""[..], b"fifteen\n", b"\xff"] {
        std::fs::write(&version, damage).unwrap();
        refused_as_damaged(&postgres).await;
        assert!(table.exists(), "the data were touched");
    }
    assert!(postgres.stop().await.unwrap(), "a server on damaged data cannot be stopped");
    std::fs::remove_file(&version).unwrap();
    refused_as_damaged(&postgres).await;
    assert!(table.exists(), "the data were touched");
    std::fs::write(&version, good).unwrap();
    assert!(!postgres.ensure_running(&password()).await.unwrap().created);
    std::fs::write(&version, "").unwrap();
    postgres.remove().await.unwrap();
    assert_eq!(postgres.state().unwrap(), PostgresState::Absent);
}

async fn refused_as_damaged(postgres: &PrivatePostgres) {
    let error = postgres.ensure_running(&password()).await.unwrap_err();
    assert!(matches!(error, PostgresError::Damaged { .. }), "{error}");
    assert!(error.hint().unwrap().contains("--purge"));
    assert!(matches!(postgres.state(), Err(PostgresError::Damaged { .. })));
}

#[tokio::test]
async fn lost_socket_directory_is_made_again() {
    let machine = Machine::new();
    let postgres = PrivatePostgres::new(machine.state());
    postgres.ensure_running(&password()).await.unwrap();
    kill(running_pid(&postgres));
    // As after a reboot: what was under /run is gone.
    std::fs::remove_dir_all(machine.state().sockets().unwrap().path()).unwrap();
    postgres.ensure_running(&password()).await.unwrap();
    assert_eq!(answers(&postgres).await, "postgres");
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn server_whose_socket_was_taken_away_is_started_again() {
    let machine = Machine::new();
    let postgres = PrivatePostgres::new(machine.state());
    postgres.ensure_running(&password()).await.unwrap();
    let pid = running_pid(&postgres);
    std::fs::remove_dir_all(machine.state().sockets().unwrap().path()).unwrap();
    assert_eq!(postgres.state().unwrap(), PostgresState::CutOff { pid });
    assert!(!postgres.is_provisioned(&provisioning(&postgres)).await.unwrap());
    let again = postgres.ensure_running(&password()).await.unwrap();
    assert!(again.started && !again.created);
    assert_ne!(running_pid(&postgres), pid);
    assert_eq!(answers(&postgres).await, "postgres");
    postgres.stop().await.unwrap();
}
