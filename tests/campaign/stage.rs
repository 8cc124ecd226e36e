//! One machine that many cases are played on: its state, its private PostgreSQL and its releases go on from case to
//! case. Gives what a stranger can see of it: the port, the processes, the files, the database.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use sqlx::{Connection, PgConnection};

use super::chain::{self, Record};
use crate::harness::machine::{Machine, Said, artifact, processes_with};

/// Longest wait for an answer of whoever serves.
const ANSWER: Duration = Duration::from_secs(15);

/// Longest wait for anything that has to come to an end.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);

/// A crmctl with a bug in it, and which.
#[derive(Debug, Clone)]
pub(crate) struct Planted {
    pub(crate) program: PathBuf,
    pub(crate) bug: &'static str,
}

/// Longest wait for what comes to rest by itself: a drain, a lease.
const SOON: Duration = Duration::from_secs(60);

/// The machine.
pub(crate) struct Stage {
    pub(crate) machine: Machine,
    planted: Option<Planted>,
    changes: u32,
    /// Everything that any crmctl has said here.
    said: std::cell::RefCell<String>,
}

impl Stage {
    /// One on which nothing was ever deployed.
    pub(crate) fn empty(planted: Option<Planted>) -> Self {
        let mut machine = Machine::new();
        if let Some(planted) = &planted {
            machine.program.clone_from(&planted.program);
        }
        machine.configure("crm-server", &[("duration_seconds = 3", "duration_seconds = 1")]);
        lighten(&machine);
        let thresholds = machine.checkout().join("config/thresholds.toml");
        let text = std::fs::read_to_string(&thresholds).unwrap();
        std::fs::write(
            thresholds,
            text.replace("min_samples = 50", "min_samples = 10").replace("\"p50\"", "\"max\""),
        )
        .unwrap();
        machine.commit("a short load");
        Self { machine, planted, changes: 0, said: std::cell::RefCell::default() }
    }

    /// One that has a release to go back to.
    pub(crate) fn with_history(planted: Option<Planted>) -> Self {
        let mut stage = Self::empty(planted);
        for _ in 0..2 {
            stage.change();
            stage
                .soundly(&["deploy", "local", "--skip", "perf", "--reason", "there is no story yet"])
                .exits(0);
        }
        stage
    }

    /// A commit with a migration that is not applied anywhere.
    pub(crate) fn change(&mut self) {
        self.changes += 1;
        let number = 100 + self.changes;
        let directory = self.machine.checkout().join("backend/migrations");
        let table = self.table();
        let up = format!("-- crmctl:stage expand\nCREATE TABLE {table} ();\n");
        std::fs::write(directory.join(format!("{number}_campaign.up.sql")), up).unwrap();
        let down = format!("DROP TABLE {table};\n");
        std::fs::write(directory.join(format!("{number}_campaign.down.sql")), down).unwrap();
        std::fs::write(directory.join(format!("verify/{number}_campaign.sql")), "SELECT 1 = 1;\n").unwrap();
        self.machine.commit(&format!("change {number}"));
    }

    /// What the newest migration makes.
    pub(crate) fn table(&self) -> String {
        format!("campaign_{}", 100 + self.changes)
    }

    /// Runs crmctl to its end, with the planted bug where there is one.
    pub(crate) fn crmctl(&self, arguments: &[&str]) -> Said {
        let mut command = self.machine.command(arguments);
        if let Some(planted) = &self.planted {
            command.env(super::bugs::SWITCH, planted.bug);
        }
        self.heard(command.output().unwrap().into())
    }

    /// Runs crmctl to its end without any bug.
    pub(crate) fn soundly(&self, arguments: &[&str]) -> Said {
        self.heard(self.machine.crmctl(arguments))
    }

    fn heard(&self, said: Said) -> Said {
        let mut all = self.said.borrow_mut();
        all.push_str(&said.out);
        all.push_str(&said.err);
        drop(all);
        said
    }

    /// Starts crmctl with its words in a file, so that no full pipe ever holds it up.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        let words = File::create(self.words()).unwrap();
        let mut command = self.machine.command(arguments);
        if let Some(planted) = &self.planted {
            command.env(super::bugs::SWITCH, planted.bug);
        }
        command.stdout(Stdio::from(words.try_clone().unwrap())).stderr(Stdio::from(words)).spawn().unwrap()
    }

    fn words(&self) -> PathBuf {
        self.machine.checkout().join(".env.words")
    }

    /// What the process that was started last has said.
    pub(crate) fn last_words(&self) -> String {
        std::fs::read_to_string(self.words()).unwrap_or_default()
    }

    /// Everything anybody said since the last time, and what lies on the disk for people to read.
    pub(crate) fn everything_said(&self) -> String {
        let mut all = std::mem::take(&mut *self.said.borrow_mut());
        all.push_str(&self.last_words());
        all.push_str(&std::fs::read_to_string(self.journal()).unwrap_or_default());
        let logs = std::fs::read_dir(self.place().join("logs")).into_iter().flatten().flatten();
        for log in logs {
            all.push_str(&String::from_utf8_lossy(&std::fs::read(log.path()).unwrap_or_default()));
        }
        all
    }

    /// State of the environment.
    pub(crate) fn place(&self) -> PathBuf {
        self.machine.state().join("local")
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.place().join("ledger/journal.ndjson")
    }

    pub(crate) fn records(&self) -> Result<Vec<Record>, String> {
        chain::read(&self.journal())
    }

    /// A load since record `from` was given up because the generator itself could not keep up.
    pub(crate) fn load_was_invalid(&self, from: usize) -> bool {
        let records = self.records().unwrap_or_default();
        let mut failed = records.iter().skip(from).filter(|record| record.kind() == "FAILED");
        failed.any(|record| record.value().to_string().contains("perf/load-is-valid"))
    }

    /// Values that must be shown nowhere.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.place().join("secrets.env")).unwrap_or_default();
        let values = text.lines().filter_map(|line| Some(line.split_once('=')?.1.trim().to_owned()));
        values.filter(|value| value.len() >= 8).collect()
    }

    /// Release directories that are there.
    pub(crate) fn releases(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.place().join("releases")).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    /// Who answers the public address now; none when nobody does.
    pub(crate) fn answers(&self) -> Option<String> {
        let port = self.machine.port;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let asked = async {
            let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()?;
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
            tokio::spawn(connection);
            let request = hyper::Request::get("/health/live").header("host", "127.0.0.1");
            let answer = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.ok()?;
            let release = answer.headers().get("x-crm-release")?.to_str().ok()?.to_owned();
            answer.into_body().collect().await.ok()?;
            Some(release)
        };
        // Before the first release has the socket, who connects waits in its queue, for as long as nobody goes on.
        runtime.block_on(async { tokio::time::timeout(ANSWER, asked).await.ok().flatten() })
    }

    /// Releases that live, one entry per process.
    pub(crate) fn living(&self) -> Vec<String> {
        let releases = self.place().join("releases");
        let of = |program: &Path| {
            let rest = program.strip_prefix(&releases).ok()?;
            Some(rest.components().next()?.as_os_str().to_string_lossy().into_owned())
        };
        // A program that was removed while it runs reads as `… (deleted)`.
        let serves = |pid: u32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.split(|byte| *byte == 0).nth(1) == Some(&b"serve"[..])
        };
        // The same program seeds: a seed whose crmctl was killed goes on to its end, and nobody hears of it.
        self.programs()
            .iter()
            .filter(|(pid, _)| serves(*pid))
            .filter_map(|(_, program)| of(program))
            .collect()
    }

    /// Everything that runs with this state directory: pid and program.
    pub(crate) fn programs(&self) -> Vec<(u32, PathBuf)> {
        let pids = processes_with(&self.machine.state()).into_iter();
        pids.filter_map(|pid| Some((pid, std::fs::read_link(format!("/proc/{pid}/exe")).ok()?))).collect()
    }

    /// Which of these logins the database knows, by the hash of their refresh tokens.
    pub(crate) fn unknown_logins(&self, hashes: &[Vec<u8>]) -> Result<i64, String> {
        let query = "SELECT count(*) FROM unnest($1::bytea[]) AS given (hash)
                     WHERE NOT EXISTS (SELECT FROM refresh_tokens WHERE token_hash = given.hash)";
        self.ask(async |connection| {
            sqlx::query_scalar::<_, i64>(query).bind(hashes).fetch_one(connection).await
        })
    }

    /// Whether the newest migration has been applied, as its table tells.
    pub(crate) fn is_migrated(&self) -> Result<bool, String> {
        let table = self.table();
        self.ask(async |connection| {
            let query = "SELECT to_regclass($1) IS NOT NULL";
            sqlx::query_scalar::<_, bool>(query).bind(format!("public.{table}")).fetch_one(connection).await
        })
    }

    fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let dsn = self.machine.migrator_dsn();
        let answer = runtime.block_on(async {
            let mut connection = PgConnection::connect(&dsn).await?;
            question(&mut connection).await
        });
        answer.map_err(|error| format!("the database does not say: {error}"))
    }

    /// `crmctl VERB local --output json`, read with other eyes than crmctl's.
    pub(crate) fn document(&self, verb: &str) -> Result<Value, String> {
        let said = self.soundly(&[verb, "local", "--output", "json"]);
        if said.code != 0 {
            return Err(format!("`crmctl {verb}` exits {}: {}{}", said.code, said.out, said.err));
        }
        serde_json::from_str(said.out.trim())
            .map_err(|error| format!("`crmctl {verb}`: {error}: {}", said.out))
    }
}

/// A server without debug information: each build hashes and copies it, and that is most of a short deploy.
fn lighten(machine: &Machine) {
    let light = machine.checkout().with_file_name("crm-server");
    let whole = artifact("crm-server");
    let strip = Command::new("strip").args(["--strip-debug", "-o"]).args([&light, &whole]).status().unwrap();
    assert!(strip.success(), "strip: {strip}");
    let file = machine.checkout().join("config/environments/local.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.replace(&whole.display().to_string(), &light.display().to_string());
    std::fs::write(file, text).unwrap();
}

/// Waits until something is so.
pub(crate) fn until(so: impl Fn() -> bool) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < SOON {
        if so() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    so()
}
