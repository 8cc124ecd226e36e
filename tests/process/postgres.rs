//! The private PostgreSQL: made once, reused, provisioned, stopped, removed.

use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use crmctl::platform::process::postgres::provision::{APP, MIGRATOR, Provisioning};
use crmctl::platform::process::postgres::{PostgresError, PostgresState, PrivatePostgres};
use rustix::process::{Pid, Signal, kill_process};
use secrecy::{ExposeSecret, SecretString};
use sqlx::{Connection, PgConnection, query_scalar};

use super::machine::Machine;

mod recovery;

fn password() -> SecretString {
    SecretString::from("super/secret @ñ'x")
}

fn running_pid(postgres: &PrivatePostgres) -> i32 {
    match postgres.state().unwrap() {
        PostgresState::Running { pid } => pid,
        other => panic!("not running: {other:?}"),
    }
}

fn signal(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

async fn answers(postgres: &PrivatePostgres) -> String {
    let dsn = postgres.dsn("postgres", &password(), "postgres").unwrap();
    let mut connection = PgConnection::connect(dsn.expose_secret()).await.unwrap();
    query_scalar("SELECT current_user::text").fetch_one(&mut connection).await.unwrap()
}

#[tokio::test]
async fn server_is_made_once_reused_stopped_and_started_again() {
    let machine = Machine::new();
    let postgres = PrivatePostgres::new(machine.state());
    assert_eq!(postgres.state().unwrap(), PostgresState::Absent);
    assert!(!machine.state().path().exists(), "looking made something");

    let first = postgres.ensure_running(&password()).await.unwrap();
    assert!(first.created && first.started);
    assert_eq!(answers(&postgres).await, "postgres");
    let pid = running_pid(&postgres);
    let again = postgres.ensure_running(&password()).await.unwrap();
    assert!(!again.created && !again.started);
    assert_eq!(running_pid(&postgres), pid);

    assert!(postgres.stop().await.unwrap());
    assert_eq!(postgres.state().unwrap(), PostgresState::Stopped);
    assert!(!postgres.stop().await.unwrap());
    let third = postgres.ensure_running(&password()).await.unwrap();
    assert!(!third.created && third.started);
    postgres.remove().await.unwrap();
    assert_eq!(postgres.state().unwrap(), PostgresState::Absent);
}

#[tokio::test]
async fn server_drops_root_and_listens_on_no_network() {
    let machine = Machine::new();
    let postgres = PrivatePostgres::new(machine.state());
    postgres.ensure_running(&password()).await.unwrap();
    let pid = running_pid(&postgres);
    let user = std::fs::metadata(format!("/proc/{pid}")).unwrap().uid();
    assert_ne!(user, 0);
    assert_eq!(std::fs::metadata(machine.state().postgres()).unwrap().uid(), user);
    let dsn = postgres.dsn("postgres", &password(), "postgres").unwrap();
    let mut connection = PgConnection::connect(dsn.expose_secret()).await.unwrap();
    let listening: String =
        query_scalar("SELECT current_setting('listen_addresses')").fetch_one(&mut connection).await.unwrap();
    assert_eq!(listening, "");
    let encoding: String =
        query_scalar("SELECT current_setting('server_encoding')").fetch_one(&mut connection).await.unwrap();
    assert_eq!(encoding, "UTF8");
    connection.close().await.unwrap();
    let wrong = SecretString::from("wrong");
    let error = postgres.ensure_running(&wrong).await.unwrap_err();
    assert!(matches!(error, PostgresError::PasswordRefused { .. }), "{error}");
    assert!(error.hint().is_some());
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn many_at_once_start_one_server() {
    let machine = Machine::new();
    let postgres = PrivatePostgres::new(machine.state());
    let secret = password();
    let calls = (0..4).map(|_| postgres.ensure_running(&secret));
    let all = futures_util::future::join_all(calls).await;
    let started = all.into_iter().map(Result::unwrap).filter(|readiness| readiness.started).count();
    assert_eq!(started, 1);
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn missing_programs_are_told_with_the_package_and_leave_nothing() {
    let machine = Machine::new();
    let empty = machine.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let postgres = PrivatePostgres::new(machine.state()).with_binaries(&empty);
    let error = postgres.ensure_running(&password()).await.unwrap_err();
    assert!(matches!(error, PostgresError::BinariesMissing { .. }), "{error}");
    assert!(error.hint().unwrap().contains("postgresql"));
    assert_eq!(postgres.state().unwrap(), PostgresState::Absent);
}

/// Server programs that do nothing but `script`.
fn programs(machine: &Machine, script: &str) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let directory = machine.path().join("programs");
    std::fs::create_dir(&directory).unwrap();
    for program in ["postgres", "initdb"] {
        std::fs::write(directory.join(program), format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(directory.join(program), PermissionsExt::from_mode(0o755)).unwrap();
    }
    directory
}

#[tokio::test]
async fn data_of_another_version_name_the_programs_that_do_not_fit() {
    let machine = Machine::new();
    let postgres = PrivatePostgres::new(machine.state());
    postgres.ensure_running(&password()).await.unwrap();
    postgres.stop().await.unwrap();
    let programs = programs(&machine, "echo 'postgres (PostgreSQL) 99.1'");
    let error = postgres.with_binaries(&programs).ensure_running(&password()).await.unwrap_err();
    assert!(matches!(error, PostgresError::VersionMismatch { .. }), "{error}");
    let wanted = format!("the programs in `{}` are postgres (PostgreSQL) 99.1", programs.display());
    assert!(error.to_string().contains(&wanted), "{error}");
    assert!(error.hint().unwrap().contains("install package `postgresql-"));
}

#[tokio::test]
async fn key_combination_at_the_terminal_does_not_reach_initdb() {
    let machine = Machine::new();
    // Its number and its group's (field 5), as a last word of failure.
    let programs = programs(&machine, "echo $$ $(cut -d' ' -f5 /proc/$$/stat) >&2; exit 1");
    let postgres = PrivatePostgres::new(machine.state()).with_binaries(&programs);
    let error = postgres.ensure_running(&password()).await.unwrap_err();
    assert!(matches!(error, PostgresError::InitFailed { .. }), "{error}");
    let (process, group) = error.detail()[0].split_once(' ').unwrap();
    assert_eq!(process, group);
    assert!(!machine.state().postgres().join("password").exists());
}

#[tokio::test]
async fn server_that_does_not_answer_is_told_in_time() {
    let machine = Machine::new();
    let postgres = PrivatePostgres::new(machine.state());
    postgres.ensure_running(&password()).await.unwrap();
    let wanted = provisioning(&postgres);
    let pid = running_pid(&postgres);
    // Stopped, it takes connections into its queue and says nothing.
    signal(pid, Signal::STOP);
    let asked = postgres.is_provisioned(&wanted).await;
    let made = postgres.provision(&wanted).await;
    signal(pid, Signal::CONT);
    for error in [asked.unwrap_err(), made.unwrap_err()] {
        assert!(matches!(error, PostgresError::TimedOut { .. }), "{error}");
        assert!(error.hint().is_some());
    }
    postgres.provision(&wanted).await.unwrap();
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn server_that_cannot_start_is_told_with_its_log() {
    let machine = Machine::new();
    let postgres = PrivatePostgres::new(machine.state());
    postgres.ensure_running(&password()).await.unwrap();
    postgres.stop().await.unwrap();
    std::fs::remove_file(machine.state().postgres().join("data/global/pg_control")).unwrap();
    let error = postgres.ensure_running(&password()).await.unwrap_err();
    assert!(matches!(error, PostgresError::StartFailed { .. }), "{error}");
    assert!(error.detail().iter().any(|line| line.contains("pg_control")), "{:?}", error.detail());
}

#[tokio::test]
async fn state_where_the_server_user_cannot_go_still_works() {
    use std::os::unix::fs::PermissionsExt;
    let machine = Machine::new();
    let closed = machine.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o700)).unwrap();
    let state = crmctl::state_directory::StateDirectory::new(closed.join("state"), "local").unwrap();
    let postgres = PrivatePostgres::new(state.clone());
    postgres.ensure_running(&password()).await.unwrap();
    assert_eq!(answers(&postgres).await, "postgres");
    let place = std::fs::canonicalize(state.postgres()).unwrap();
    postgres.remove().await.unwrap();
    assert!(!place.exists() && !state.postgres().exists());
    std::fs::remove_dir_all(state.sockets().unwrap().path()).unwrap();
}

fn provisioning(postgres: &PrivatePostgres) -> Provisioning {
    let roles =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("backend/migrations/provision/roles.sql");
    Provisioning {
        database: postgres.database_name(),
        roles,
        superuser: password(),
        migrator: SecretString::from("migrator-canary'1"),
        app: SecretString::from("a\\1"),
    }
}

#[tokio::test]
async fn provisioning_twice_changes_nothing_and_mends_passwords() {
    let machine = Machine::new();
    let postgres = PrivatePostgres::new(machine.state());
    let mut wanted = provisioning(&postgres);
    assert!(!postgres.is_provisioned(&wanted).await.unwrap());
    postgres.ensure_running(&password()).await.unwrap();
    assert!(!postgres.is_provisioned(&wanted).await.unwrap());
    postgres.provision(&wanted).await.unwrap();
    assert!(postgres.is_provisioned(&wanted).await.unwrap());
    postgres.provision(&wanted).await.unwrap();

    wanted.app = SecretString::from("second-app-canary");
    assert!(!postgres.is_provisioned(&wanted).await.unwrap());
    postgres.provision(&wanted).await.unwrap();
    let dsn = postgres.dsn(MIGRATOR, &wanted.migrator, &wanted.database).unwrap();
    let mut connection = PgConnection::connect(dsn.expose_secret()).await.unwrap();
    sqlx::query("CREATE TABLE t (id int)").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let dsn = postgres.dsn(APP, &wanted.app, &wanted.database).unwrap();
    let mut connection = PgConnection::connect(dsn.expose_secret()).await.unwrap();
    assert!(sqlx::query("CREATE TABLE u (id int)").execute(&mut connection).await.is_err());
    connection.close().await.unwrap();
    let log = std::fs::read_to_string(machine.state().logs().join("postgres.log")).unwrap();
    assert!(
        !log.contains("second-app-canary") && !log.contains("migrator-canary"),
        "a password is in the log"
    );
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn server_is_ready_in_half_a_second_when_its_data_are_there() {
    let machine = Machine::new();
    let postgres = PrivatePostgres::new(machine.state());
    postgres.ensure_running(&password()).await.unwrap();
    postgres.stop().await.unwrap();
    let begun = Instant::now();
    postgres.ensure_running(&password()).await.unwrap();
    // Ten times the usual, since other tests run beside this one; `make bench` measures the real figure.
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    postgres.stop().await.unwrap();
}
