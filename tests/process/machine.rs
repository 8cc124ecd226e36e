//! A state directory of its own per test, releases of the real server in it, and the proof that nothing of it
//! lives on afterwards.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crmctl::platform::process::{
    EnvironmentVariable, ProcessOptions, ProcessPlatform, ReleaseEnvironment, SupervisorProgram,
};
use crmctl::state_directory::StateDirectory;
use phases::engine::effects::{EffectContext, EffectOutcome, Progress};
use phases::engine::failure::Failure;
use phases::engine::platform::{Platform, PlatformState, Role};
use phases::engine::step::StepId;
use phases::release::ReleaseId;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// Longest wait for anything.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A directory that an unprivileged server may pass through, removed with everything that runs in it.
pub(crate) struct Machine {
    directory: TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) ready_deadline: Duration,
    step: StepId,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("crmctl-test-").tempdir().unwrap();
        std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o711)).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let ready_deadline = Duration::from_secs(10);
        Self { directory, address, ready_deadline, step: StepId("deploy.test".into()) }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn state(&self) -> StateDirectory {
        StateDirectory::new(self.directory.path().join("state"), "local").unwrap()
    }

    /// The platform with short drains, and `extra` in the environment of its releases.
    pub(crate) fn platform(&self, extra: &[(&str, &str)]) -> ProcessPlatform {
        ProcessPlatform::new(self.options(self.address, extra))
    }

    /// The platform as if it were configured for another address.
    pub(crate) fn platform_on(&self, address: SocketAddr) -> ProcessPlatform {
        ProcessPlatform::new(self.options(address, &[]))
    }

    /// The platform when the operator's files cannot be used.
    pub(crate) fn platform_misconfigured(&self) -> ProcessPlatform {
        let mut options = self.options(self.address, &[]);
        options.environment.given = Arc::new(|| Err("`.env.local` has mode 0644".to_owned()));
        ProcessPlatform::new(options)
    }

    fn options(&self, address: SocketAddr, extra: &[(&str, &str)]) -> ProcessOptions {
        let mut variables = vec![
            ("JWT_SECRET".to_owned(), "0f1e2d3c4b5a69788796a5b4c3d2e1f0".to_owned()),
            ("POSTGRES_DSN".to_owned(), "postgresql://nobody:none@127.0.0.1:1/none".to_owned()),
            ("DRAIN_SECONDS".to_owned(), "1".to_owned()),
            ("REQUEST_TIMEOUT_SECONDS".to_owned(), "5".to_owned()),
        ];
        for (name, value) in extra {
            variables.retain(|(present, _)| present != name);
            variables.push(((*name).to_owned(), (*value).to_owned()));
        }
        ProcessOptions {
            directory: self.state(),
            address,
            ready_deadline: self.ready_deadline,
            supervisor: SupervisorProgram {
                program: PathBuf::from(env!("CARGO_BIN_EXE_crmctl")),
                arguments: vec!["supervise".into()],
            },
            environment: ReleaseEnvironment {
                given: Arc::new(move || {
                    let given = variables.iter().cloned();
                    Ok(given.map(|(name, value)| EnvironmentVariable::new(name, value)).collect())
                }),
                own: Arc::new(|| Ok(Vec::new())),
            },
        }
    }

    /// A release of the real server that is told more by a script around it.
    pub(crate) fn release_told(&self, number: u32, variable: &str) -> ReleaseId {
        let id = self.release(number);
        let program = self.state().release(&id).join("crm-server");
        let server = std::fs::read_link(&program).unwrap();
        std::fs::remove_file(&program).unwrap();
        std::fs::write(
            &program,
            format!("#!/bin/sh\nexec /usr/bin/env {variable} {} \"$@\"\n", server.display()),
        )
        .unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        id
    }

    /// A release of the real server, its `number` being all that tells it from others.
    pub(crate) fn release(&self, number: u32) -> ReleaseId {
        let id: ReleaseId = format!("0123456789ab.{number:08x}").parse().unwrap();
        let place = self.state().release(&id);
        self.state().ensure().unwrap();
        std::fs::create_dir_all(&place).unwrap();
        let program = place.join("crm-server");
        if !program.exists() {
            symlink(crate::harness::machine::artifact("crm-server-faults"), program).unwrap();
            std::fs::write(place.join("release.json"), "{}").unwrap();
        }
        id
    }

    pub(crate) fn context(&self, token: u64) -> EffectContext<'_> {
        fn ignore(_: Progress) {}
        EffectContext { run: "test", token, step: &self.step, progress: &ignore }
    }

    /// Starts `release`, waits for it and gives it the public address.
    pub(crate) async fn deploy(&self, platform: &ProcessPlatform, release: &ReleaseId, token: u64) {
        let context = self.context(token);
        done(platform.start(release, &context).await);
        done(platform.await_ready(release, &context).await);
        done(platform.shift(release, &context).await);
    }

    /// Which release answers on the public address, over a new connection.
    pub(crate) fn answering(&self) -> Option<String> {
        super::load::get(self.address, "/health/live").ok()
    }

    /// The supervisor's own notes.
    pub(crate) fn notes(&self) -> Value {
        let text = std::fs::read_to_string(self.state().supervisor().join("state.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) fn supervisor_pid(&self) -> i32 {
        i32::try_from(self.notes()["supervisor"]["pid"].as_i64().unwrap()).unwrap()
    }

    pub(crate) fn supervisor_lives(&self) -> bool {
        let alive = |pid: &i64| Path::new(&format!("/proc/{pid}")).exists();
        let notes = std::fs::read_to_string(self.state().supervisor().join("state.json"));
        let notes: Option<Value> = notes.ok().and_then(|text| serde_json::from_str(&text).ok());
        notes.and_then(|notes| notes["supervisor"]["pid"].as_i64()).is_some_and(|pid| alive(&pid))
    }

    /// Process of the living instance of `release` with `role`.
    pub(crate) fn instance_pid(&self, release: &ReleaseId, role: &str) -> i32 {
        let notes = self.notes();
        let found = notes["instances"]
            .as_array()
            .unwrap()
            .iter()
            .find(|instance| instance["release"] == release.as_str() && instance["role"] == role);
        i32::try_from(found.unwrap_or_else(|| panic!("{notes}"))["process"]["pid"].as_i64().unwrap()).unwrap()
    }

    /// Living processes that mention this directory in their arguments or work in it.
    pub(crate) fn processes(&self) -> Vec<(i32, String)> {
        let marker = self.directory.path().to_string_lossy().into_owned();
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
                continue;
            };
            let arguments = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let arguments = String::from_utf8_lossy(&arguments).replace('\0', " ");
            let works_in = std::fs::read_link(entry.path().join("cwd")).unwrap_or_default();
            if arguments.contains(&marker) || works_in.to_string_lossy().contains(&marker) {
                found.push((pid, arguments));
            }
        }
        found
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let left = self.processes();
        for (pid, _) in &left {
            if let Some(pid) = Pid::from_raw(*pid) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        if let Ok(sockets) = self.state().sockets() {
            let _ = std::fs::remove_dir_all(sockets.path());
        }
        if !std::thread::panicking() {
            assert!(left.is_empty(), "left running: {left:?}");
        }
    }
}

/// The summary of an effect that happened.
#[track_caller]
pub(crate) fn done(outcome: EffectOutcome) -> String {
    match outcome {
        EffectOutcome::Done(evidence) => evidence.summary,
        other => panic!("not done: {other:#?}"),
    }
}

/// The failure of an effect that did not happen.
#[track_caller]
pub(crate) fn not_done(outcome: EffectOutcome) -> Failure {
    match outcome {
        EffectOutcome::NotDone(failure) => failure,
        other => panic!("not refused: {other:#?}"),
    }
}

pub(crate) fn kill(pid: i32) {
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

/// Waits until `condition` holds.
#[track_caller]
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "not in {DEADLINE:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Roles of the instances of `release`.
pub(crate) fn roles(state: &PlatformState, release: &ReleaseId) -> Vec<Role> {
    let of_release = state.instances.iter().filter(|instance| instance.release == *release);
    of_release.map(|instance| instance.role).collect()
}
