//! A machine of its own for one story: a checkout, a state directory, a port. Its end stops everything and
//! asserts that nothing is left.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crmctl::platform::process::postgres::PrivatePostgres;
use crmctl::state_directory::StateDirectory;
use secrecy::ExposeSecret;
use serde_json::Value;
use tempfile::TempDir;

/// Where a prebuilt server lies.
pub(crate) fn artifact(name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target"));
    let file = target.join("artifacts").join(name);
    assert!(file.is_file(), "`{}` is missing; run `make test`, or `scripts/build-artifacts`", file.display());
    file
}

/// A checkout with an embedded environment `local`.
pub(crate) struct Machine {
    directory: TempDir,
    /// Port of the public address.
    pub(crate) port: u16,
    /// The crmctl under test.
    pub(crate) program: PathBuf,
}

/// What a command said.
pub(crate) struct Said {
    /// Exit code.
    pub(crate) code: i32,
    /// stdout.
    pub(crate) out: String,
    /// stderr.
    pub(crate) err: String,
}

impl Said {
    /// Asserts the exit code and gives itself back.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\n--- stdout\n{}\n--- stderr\n{}", self.out, self.err);
        self
    }

    /// Asserts that stdout or stderr contains each of `words`.
    #[track_caller]
    pub(crate) fn says(self, words: &[&str]) -> Self {
        for word in words {
            let found = self.out.contains(word) || self.err.contains(word);
            assert!(found, "`{word}` is not said\n--- stdout\n{}\n--- stderr\n{}", self.out, self.err);
        }
        self
    }

    /// stdout as one JSON document.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(self.out.trim())
            .unwrap_or_else(|error| panic!("{error}\n{}\n{}", self.out, self.err))
    }

    /// stdout as one JSON document per line.
    #[track_caller]
    pub(crate) fn events(&self) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.out.lines().map(parse).collect()
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Machine {
    /// A fresh one with one commit.
    pub(crate) fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("crmctl-story-").tempdir().unwrap();
        // The private PostgreSQL runs as another user and has to get in.
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let machine = Self { directory, port, program: PathBuf::from(env!("CARGO_BIN_EXE_crmctl")) };
        machine.lay_out();
        machine
    }

    fn lay_out(&self) {
        let source = Path::new(env!("CARGO_MANIFEST_DIR"));
        copy(&source.join("config"), &self.checkout().join("config"));
        copy(&source.join("backend/migrations"), &self.checkout().join("backend/migrations"));
        self.be_patient();
        self.configure("crm-server", &[]);
        std::fs::write(self.checkout().join(".gitignore"), ".env*\n").unwrap();
        self.git(&["init", "--quiet", "--initial-branch", "main"]);
        self.git(&["config", "user.name", "Story"]);
        self.git(&["config", "user.email", "story@example.invalid"]);
        self.commit("first");
    }

    /// Writes `local.toml` with a prebuilt server, little load, and lines replaced: `("rate = 20", "rate = 50")`.
    pub(crate) fn configure(&self, server: &str, replacements: &[(&str, &str)]) {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/environments/local.toml");
        let mut text = std::fs::read_to_string(source).unwrap();
        let artifact = format!("artifact = \"{}\"", artifact(server).display());
        let url = format!("url = \"http://127.0.0.1:{}\"", self.port);
        let own = [
            ("profile = \"release\"", artifact.as_str()),
            ("url = \"http://127.0.0.1:8000\"", url.as_str()),
            ("drain_seconds = 10", "drain_seconds = 2"),
            ("duration_seconds = 5", "duration_seconds = 3"),
            ("rate = 100", "rate = 20"),
        ];
        for (from, to) in own.iter().chain(replacements) {
            assert!(text.contains(from), "`{from}` is not in local.toml");
            text = text.replace(from, to);
        }
        std::fs::write(self.checkout().join("config/environments/local.toml"), text).unwrap();
    }

    /// Thresholds that a busy machine keeps too: what stories tell is not how fast this one is.
    fn be_patient(&self) {
        let file = self.checkout().join("config/thresholds.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let patient = |line: &str| match line.split_once("below_ms = ") {
            Some((before, _)) => format!("{before}below_ms = 30000"),
            None => line.replace("\"p95\"", "\"p50\"").replace("min_samples = 200", "min_samples = 50"),
        };
        let lines: Vec<String> = text.lines().map(patient).collect();
        assert!(lines.iter().any(|line| line.contains("30000")), "thresholds.toml names no limit in ms");
        std::fs::write(file, lines.join("\n") + "\n").unwrap();
    }

    /// Writes the operator's secrets file.
    pub(crate) fn write_secrets(&self, text: &str, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        let file = self.checkout().join(".env.local");
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Tells a chat whose address is the value of `key` in the secrets file.
    pub(crate) fn notify(&self, key: &str) {
        let file = self.checkout().join("config/environments/local.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(file, format!("{text}\n[notify]\nwebhook_key = \"{key}\"\n")).unwrap();
    }

    /// The checkout.
    pub(crate) fn checkout(&self) -> PathBuf {
        self.directory.path().join("checkout")
    }

    /// `$CRMCTL_STATE_DIR`.
    pub(crate) fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// How the private database is reached as the migrator.
    pub(crate) fn migrator_dsn(&self) -> String {
        let state = StateDirectory::new(self.state(), "local").unwrap();
        let secrets = std::fs::read_to_string(state.secrets_file()).unwrap();
        let password = secrets.lines().find_map(|line| line.strip_prefix("POSTGRES_MIGRATOR_PASSWORD="));
        let postgres = PrivatePostgres::new(state);
        let dsn = postgres.dsn("crm_migrator", &password.unwrap().into(), &postgres.database_name()).unwrap();
        dsn.expose_secret().to_owned()
    }

    /// Public address.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// A new commit of everything; empty ones count.
    pub(crate) fn commit(&self, message: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
    }

    pub(crate) fn git(&self, arguments: &[&str]) {
        let status = Command::new("git").args(arguments).current_dir(self.checkout()).status().unwrap();
        assert!(status.success(), "git {arguments:?}");
    }

    /// crmctl in the checkout, not yet started.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .current_dir(self.checkout())
            .env("CRMCTL_STATE_DIR", self.state())
            .stdin(Stdio::null());
        for key in ["CRM_FAULT", "JWT_SECRET", "SMOKE_PASSWORD", "LOG_LEVEL", "CRMCTL_LOG"] {
            command.env_remove(key);
        }
        command
    }

    /// Runs crmctl to its end.
    pub(crate) fn crmctl(&self, arguments: &[&str]) -> Said {
        self.command(arguments).output().unwrap().into()
    }

    /// Starts crmctl and goes on.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// `crmctl status local --output json`.
    pub(crate) fn status(&self) -> Value {
        self.crmctl(&["status", "local", "--output", "json"]).exits(0).json()
    }

    /// Release id that `status` says serves.
    pub(crate) fn serving(&self) -> String {
        self.status()["serving"]["id"].as_str().unwrap_or("nothing").to_owned()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let log = std::fs::read_to_string(self.state().join("local/logs/supervisor.log"));
        let said = self.crmctl(&["down", "local", "--purge", "--yes"]);
        let left = processes_with(&self.state());
        for pid in &left {
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
        }
        if !std::thread::panicking() {
            let log = log.unwrap_or_default();
            assert_eq!(said.code, 0, "down failed\n{}\nits supervisor said:\n{log}", said.err);
            assert!(left.is_empty(), "left behind: {left:?}");
        }
    }
}

/// Writes the secrets file of `local`, for its owner only.
pub(crate) fn secrets(machine: &Machine, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    let file = machine.checkout().join(".env.local");
    std::fs::write(&file, text).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// Waits for something that comes true sooner or later.
#[track_caller]
pub(crate) fn eventually(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "not in a minute: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Processes whose command line or environment names `directory`.
pub(crate) fn processes_with(directory: &Path) -> Vec<u32> {
    let wanted = directory.as_os_str().as_encoded_bytes();
    let names = |file: PathBuf| {
        std::fs::read(file).is_ok_and(|bytes| bytes.windows(wanted.len()).any(|window| window == wanted))
    };
    let pids = std::fs::read_dir("/proc").unwrap().flatten();
    pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| *pid != std::process::id())
        .filter(|pid| {
            names(format!("/proc/{pid}/cmdline").into()) || names(format!("/proc/{pid}/environ").into())
        })
        .collect()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
