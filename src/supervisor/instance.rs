//! Starting an instance of a release on its sockets, and noticing its end.

use std::fs::File;
use std::io::Error as IoError;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use phases::engine::platform::Role;
use phases::release::ReleaseId;
use secrecy::ExposeSecret;

use super::core::Supervisor;
use super::logs;
use super::process::{Exit, ProcessIdentity};
use super::protocol::{Refusal, RefusalKind, Start};
use super::spawn::spawn_detached;
use super::state::{ExitRecord, StoredInstance, now};

/// What the supervisor adds to the environment of a release.
pub(super) const GIVEN: [&str; 2] = ["LISTEN_FDS", "LISTEN_FDNAMES"];
/// Log lines told with an end.
pub(super) const LINES_TOLD: usize = 20;

impl Supervisor {
    /// Starts a release as a candidate; one that runs already is adopted.
    pub(super) fn start(self: &Arc<Self>, start: Start) -> Result<String, Refusal> {
        if start.address != self.address {
            let message = format!("what runs listens on `{}`, not on `{}`", self.address, start.address);
            let name = self.directory.environment();
            let hint = format!("run `crmctl down {name}` first, or put the address back");
            return Err(Refusal::new(RefusalKind::OtherAddress, message).hint(hint));
        }
        if let Some(found) = self.state().usable(&start.release) {
            return Ok(format!("{} runs already (process {})", start.release, found.process.pid));
        }
        let failed = |what: String| Refusal::new(RefusalKind::Failed, what);
        let program = start.directory.join("crm-server");
        if !program.is_file() {
            return Err(failed(format!("release {} has no `{}`", start.release, program.display())));
        }
        let number = self
            .change(|state| {
                state.next += 1;
                state.forget_exits(&start.release);
                state.next - 1
            })
            .map_err(|error| failed(error.to_string()))?;
        let Start { release, directory, environment, drain, .. } = start;
        let begin = || {
            self.hold(number, environment)?;
            self.launch(number, &release, &directory)
        };
        let (process, log_from) = begin().map_err(|error| {
            self.release(number);
            failed(format!("cannot start `{}`: {error}", program.display()))
        })?;
        let (role, since) = (Role::Candidate, now());
        let instance = StoredInstance { number, release, role, since, process, directory, log_from, drain };
        let summary = format!("{} started (process {})", instance.release, instance.process.pid);
        let process = instance.process.clone();
        self.record(|state| state.instances.push(instance));
        self.watch(number, process);
        Ok(summary)
    }

    /// Starts the program of an instance whose sockets are held. Gives its process and where its log begins.
    pub(super) fn launch(
        &self,
        number: u64,
        release: &ReleaseId,
        directory: &Path,
    ) -> Result<(ProcessIdentity, u64), IoError> {
        let log = File::options().append(true).create(true).mode(0o600).open(self.log_of(release))?;
        let log_from = log.metadata()?.len();
        let mut command = Command::new(directory.join("crm-server"));
        command.arg("serve").current_dir(directory).env_clear();
        let memory = self.memory();
        let held = memory.held.get(&number).expect("held before it is launched");
        let (private, control) = held.sockets.as_ref().expect("bound before it is launched");
        for variable in &held.environment {
            command.env(&variable.name, variable.value.expose_secret());
        }
        command.envs(GIVEN.into_iter().zip(["3", "public:private:control"]));
        // Straight into a file: with a pipe, a release would die with the supervisor that reads it.
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let public = memory.public.as_ref().ok_or_else(|| IoError::other("the supervisor is closing"))?;
        let passed = [public.as_fd(), private.as_fd(), control.as_fd()];
        Ok((spawn_detached(&mut command, &passed)?.identity, log_from))
    }

    /// Log of all instances of a release.
    pub(super) fn log_of(&self, release: &ReleaseId) -> PathBuf {
        self.directory.logs().join(format!("{release}.log"))
    }

    /// Handles the end of an instance's process, whenever that is.
    pub(super) fn watch(self: &Arc<Self>, number: u64, process: ProcessIdentity) {
        let supervisor = Arc::clone(self);
        tokio::spawn(async move {
            let exit = process.ended().await;
            supervisor.ended(number, &process, exit).await;
        });
    }

    async fn ended(self: &Arc<Self>, number: u64, process: &ProcessIdentity, exit: Exit) {
        let Some((instance, is_ending)) = self.found(number, process) else {
            return;
        };
        tracing::info!(release = %instance.release, role = ?instance.role, %exit, "instance ended");
        let asked = is_ending || instance.role == Role::Draining;
        if !asked {
            let lines = logs::last_lines(&self.log_of(&instance.release), instance.log_from, LINES_TOLD);
            let release = instance.release.clone();
            self.record(|state| state.remember_exit(ExitRecord { release, exit, at: now(), lines }));
        }
        if instance.role == Role::Serving && !asked {
            self.revive(number);
            return;
        }
        self.forget(number);
        // While an effect runs, it is the one to look whether anything is left.
        if let Ok(_effects) = self.effects.try_lock() {
            self.close_when_idle();
        }
    }
}
