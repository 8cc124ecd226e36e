//! PostgreSQL stops, hangs or has no connection left right after a step was begun, whichever step that is: what serves
//! goes on serving, the run ends as documented, and the next deploy after it is back goes through.

use std::io::Write;
use std::process::Command;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};

use super::watch::Watch;
use super::{DEPLOY, Followed, diagnosis};
use crate::harness::machine::Machine;

/// What happens to the server.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Stopped,
    Hung,
    Full,
}

/// The private server of a machine.
struct Server {
    pid: u32,
    superuser: PgConnectOptions,
}

/// What keeps a fault up.
struct Held {
    stopped: Vec<u32>,
    sessions: Vec<PgConnection>,
}

impl Server {
    fn of(machine: &Machine) -> Self {
        let state = machine.state().join("local");
        let notes = std::fs::read_to_string(state.join("postgres/data/postmaster.pid")).unwrap();
        let secrets = std::fs::read_to_string(state.join("secrets.env")).unwrap();
        let password =
            secrets.lines().find_map(|line| line.strip_prefix("POSTGRES_SUPERUSER_PASSWORD=")).unwrap();
        let dsn: PgConnectOptions = machine.migrator_dsn().parse().unwrap();
        let superuser = dsn.username("postgres").password(password).disable_statement_logging();
        Self { pid: notes.lines().next().unwrap().parse().unwrap(), superuser }
    }

    async fn suffer(&self, fault: Fault) -> Held {
        let mut held = Held { stopped: Vec::new(), sessions: Vec::new() };
        match fault {
            Fault::Stopped => kill("-QUIT", &[self.pid]),
            Fault::Hung => {
                // The first process too, and before it can start another one.
                kill("-STOP", &[self.pid]);
                held.stopped = children(self.pid);
                kill("-STOP", &held.stopped);
                held.stopped.push(self.pid);
            }
            Fault::Full => {
                while let Ok(session) = PgConnection::connect_with(&self.superuser).await {
                    held.sessions.push(session);
                }
                assert!(held.sessions.len() > 10, "the server took {} sessions only", held.sessions.len());
            }
        }
        held
    }
}

impl Held {
    async fn end(self) {
        kill("-CONT", &self.stopped);
        for session in self.sessions {
            let _ = session.close().await;
        }
    }
}

fn kill(signal: &str, pids: &[u32]) {
    let pids = pids.iter().map(ToString::to_string);
    // One that has ended meanwhile is as good as hit.
    let _ = Command::new("kill").arg(signal).args(pids).output().unwrap();
}

fn children(parent: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_child = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse().ok()) == Some(parent)
    };
    pids.filter(is_child).collect()
}

/// The machine before each fault: one good release, and a change with a migration.
struct Stage {
    machine: Machine,
    round: u32,
}

impl Stage {
    fn new() -> Self {
        let machine = Machine::new();
        machine.crmctl(&DEPLOY).exits(0);
        Self { machine, round: 0 }
    }

    /// A commit with a migration of its own.
    fn change(&mut self) {
        self.round += 1;
        let name = format!("{}_fault", 900 + self.round);
        let directory = self.machine.checkout().join("backend/migrations");
        let up = format!("CREATE TABLE fault_{} (id bigint);\n", self.round);
        std::fs::write(directory.join(format!("{name}.up.sql")), up).unwrap();
        let down = format!("DROP TABLE fault_{};\n", self.round);
        std::fs::write(directory.join(format!("{name}.down.sql")), down).unwrap();
        std::fs::write(directory.join(format!("verify/{name}.sql")), "SELECT 1 = 1;\n").unwrap();
        self.machine.commit(&name);
    }

    /// Every step that a deploy with a migration begins, as it tells them.
    fn steps(&mut self) -> Vec<String> {
        self.change();
        let (events, said) = Followed::start(&mut self.machine.command(&DEPLOY)).end();
        said.exits(0);
        let begun = events.iter().filter(|event| event["event"] == "step.started");
        begun.map(|event| event["step"].as_str().unwrap().to_owned()).collect()
    }

    async fn round(&mut self, step: &str, fault: Fault) {
        self.change();
        let (machine, what) = (&self.machine, format!("{fault:?} at {step}"));
        let (old, server) = (machine.serving(), Server::of(machine));
        let watch = Watch::start(machine.port);
        let mut run = Followed::start(&mut machine.command(&DEPLOY));
        assert!(run.reach(step), "{what}: the step never began");
        let held = server.suffer(fault).await;
        let (events, said) = run.end();
        let last = events.last().unwrap();
        note(&format!("{what}: exit {}, {}, {}", said.code, last["ending"], last["failure"]["message"]));
        assert!(matches!(said.code, 0 | 10 | 20 | 31), "{what}: {last:#}\n{}", said.err);
        let next = last["next"].as_str().unwrap_or_default();
        assert!(next.starts_with("crmctl "), "{what}: no next command: {last:#}");
        let now = machine.serving();
        held.end().await;
        let seen = watch.stop();
        assert!(seen.failures.is_empty(), "{what}: {} failures: {}", seen.failures.len(), seen.failures[0]);
        assert!(seen.releases.len() <= 2 && seen.releases.contains(&now), "{what}: {now} of {seen:?}");
        assert!(said.code == 0 || now == old, "{what}: it failed and serves another release");
        let chain = diagnosis(machine, "doctor/journal").unwrap();
        assert_eq!(chain["outcome"], "passed", "{what}: {chain}");
        assert!(!machine.status()["last_run"]["ending"].is_null(), "{what}: the run has no end");

        let again = machine.crmctl(&DEPLOY);
        assert_eq!(again.code, 0, "{what}, then it was back:\n{}\n{}", again.out, again.err);
        let serving = machine.serving();
        assert!(serving == now || said.code != 0, "{what}: the second deploy changed {now} to {serving}");
        assert!(serving != old, "{what}: the change is not there");
    }
}

/// One line per round in the file that `FAULTS_TABLE` names: what a reader of the long campaign looks at.
fn note(line: &str) {
    if let Some(file) = std::env::var_os("FAULTS_TABLE") {
        let mut file = std::fs::File::options().append(true).create(true).open(file).unwrap();
        writeln!(file, "{line}").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_fails_after_any_step_stops_nothing_that_serves() {
    let mut stage = Stage::new();
    let steps = stage.steps();
    for step in ["migrate.apply", "deploy.start", "deploy.gate", "deploy.shift", "smoke.run"] {
        assert!(steps.iter().any(|one| one == step), "a deploy has no {step} any more: {steps:?}");
    }
    let everywhere = std::env::var_os("FAULTS_EVERYWHERE").is_some();
    let few = [
        ("migrate.apply", Fault::Stopped),
        ("deploy.start", Fault::Full),
        ("deploy.gate", Fault::Hung),
        ("smoke.run", Fault::Stopped),
    ];
    if !everywhere {
        for (step, fault) in few {
            stage.round(step, fault).await;
        }
        return;
    }
    for step in &steps {
        for fault in [Fault::Stopped, Fault::Hung, Fault::Full] {
            stage.round(step, fault).await;
        }
    }
}
