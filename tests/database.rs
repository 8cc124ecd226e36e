//! The database of an environment seen from outside: no password in any log, no wait without an end, and the state
//! of an ordinary user that outlasts a login.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use sqlx::{Connection, PgConnection};

use crate::harness::machine::{Machine, Said, artifact};

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

#[test]
fn generated_secrets_may_be_rotated_and_are_never_made_over() {
    let machine = Machine::new();
    let deploy = ["deploy", "local", "--skip", "perf", "--reason", "not this story"];
    machine.crmctl(&deploy).exits(0);
    let file = machine.state().join("local/secrets.env");
    let made = std::fs::read_to_string(&file).unwrap();
    let with_key = |key: &str| {
        let lines = made.lines().map(|line| match line.split_once('=') {
            Some(("JWT_SECRET", _)) => format!("JWT_SECRET={key}\n"),
            _ => format!("{line}\n"),
        });
        let text: String = lines.collect();
        std::fs::write(&file, &text).unwrap();
        text
    };
    let rotated = with_key("0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0 ");
    machine.commit("second");
    machine.crmctl(&deploy).exits(0);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), rotated);

    let broken = with_key("abc");
    machine.commit("third");
    machine.crmctl(&deploy).exits(10).says(&["secrets.env:4:", "`JWT_SECRET` is weak"]);
    machine.crmctl(&["status", "local"]).exits(0);
    machine.crmctl(&["down", "local"]).exits(0);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), broken);
    std::fs::remove_file(&file).unwrap();
    machine.crmctl(&deploy).says(&["secrets.env` is missing", "crmctl down local --purge"]).exits(10);
    assert!(!file.exists());
    std::fs::write(&file, rotated).unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    machine.crmctl(&deploy).exits(0);
}

/// An ordinary user, when the test runs as root: nobody.
const NOBODY: u32 = 65534;

/// The machine with everything in it, in the hands of an ordinary user who has logged in.
pub(crate) fn ordinary_users(machine: &Machine) {
    let (server, program) = (machine.checkout().join("crm-server"), machine.checkout().join("crmctl"));
    std::fs::copy(artifact("crm-server"), &server).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_crmctl"), &program).unwrap();
    let file = machine.checkout().join("config/environments/local.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let there = artifact("crm-server").display().to_string();
    std::fs::write(&file, text.replace(&there, "crm-server")).unwrap();
    std::fs::write(machine.checkout().join(".gitignore"), ".env*\ncrm-server\ncrmctl\n").unwrap();
    machine.commit("server of its own");
    for directory in [machine.state(), runtime(machine)] {
        std::fs::create_dir(&directory).unwrap();
        std::fs::set_permissions(&directory, PermissionsExt::from_mode(0o700)).unwrap();
    }
    if rustix::process::geteuid().is_root() {
        let owner = format!("{NOBODY}:{NOBODY}");
        let all = [machine.checkout(), machine.state(), runtime(machine)];
        assert!(Command::new("chown").arg("-R").arg(owner).args(all).status().unwrap().success());
    }
}

/// `$XDG_RUNTIME_DIR`, which goes with the last logout.
fn runtime(machine: &Machine) -> PathBuf {
    machine.checkout().with_file_name("runtime")
}

pub(crate) fn as_ordinary_user(machine: &Machine, arguments: &[&str]) -> Said {
    let ours = machine.command(arguments);
    let mut command = Command::new(machine.checkout().join("crmctl"));
    command.args(ours.get_args()).current_dir(machine.checkout()).env_clear();
    command.envs(ours.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("XDG_RUNTIME_DIR", runtime(machine)).env("HOME", machine.checkout());
    command.env("PATH", std::env::var_os("PATH").unwrap()).stdin(Stdio::null());
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.output().unwrap().into()
}

#[test]
fn environment_of_an_ordinary_user_outlasts_the_login() {
    let machine = Machine::new();
    ordinary_users(&machine);
    let deploy = ["deploy", "local", "--skip", "perf", "--reason", "not this story"];
    as_ordinary_user(&machine, &deploy).exits(0);
    let server =
        || std::fs::read_to_string(machine.state().join("local/postgres/data/postmaster.pid")).unwrap();
    let before = server();
    std::fs::remove_dir_all(runtime(&machine)).unwrap();
    as_ordinary_user(&machine, &deploy).exits(0);
    assert_eq!(server(), before, "PostgreSQL was started again");
    as_ordinary_user(&machine, &["down", "local", "--purge", "--yes"]).exits(0);
    assert_eq!(std::fs::read_dir(machine.state()).unwrap().count(), 0);
}

#[test]
fn a_ledger_that_has_lost_its_memory_goes_on_from_the_databases_token() {
    let machine = Machine::new();
    machine.crmctl(&["deploy", "local", "--skip", "perf", "--reason", "not this story"]).exits(0);
    let fence = |sql: &'static str| {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let mut session = PgConnection::connect(&machine.migrator_dsn()).await.unwrap();
            sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut session).await.unwrap()
        })
    };
    fence("UPDATE crmctl.fence SET token = 500 RETURNING token");
    std::fs::remove_dir_all(machine.state().join("local/ledger")).unwrap();
    let revert = ["migrate", "rollback", "local", "16", "--while-serving", "--accept-loss", "1000000"];
    machine.crmctl(&revert).exits(0).says(&["016"]);
    assert_eq!(fence("SELECT token FROM crmctl.fence"), 501);
}
