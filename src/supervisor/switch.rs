//! Giving the public address to another release: the new one accepts first, then the old one stops to.

use std::sync::Arc;
use std::time::Duration;

use phases::engine::platform::Role;
use phases::release::ReleaseId;
use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use super::control::{Command, ControlError, Reply, tell};
use super::core::Supervisor;
use super::http::get_public;
use super::instance::LINES_TOLD;
use super::logs;
use super::protocol::{Refusal, RefusalKind};
use super::state::{StoredInstance, StoredState, now};

/// How long a release may take to answer a command.
const COMMAND_PATIENCE: Duration = Duration::from_secs(5);
/// How long the public address may go on being answered by another release.
const PROOF_DEADLINE: Duration = Duration::from_secs(10);

impl Supervisor {
    /// Lets `to` serve and drains what served. When `to` does not take the address nothing has changed.
    pub(super) async fn switch(self: &Arc<Self>, to: &ReleaseId) -> Result<String, Refusal> {
        let state = self.state();
        let Some(new) = state.usable(to).cloned() else {
            return Err(Refusal::new(RefusalKind::NotRunning, format!("release {to} does not run")));
        };
        if new.role != Role::Serving {
            self.change(|state| state.switching = Some(to.clone()))
                .map_err(|error| Refusal::new(RefusalKind::Failed, error.to_string()))?;
            if let Err(error) = self.tell_instance(&new, Command::Serve).await {
                self.give_up_on(&new).await;
                return Err(self.did_not_serve(&new, &error));
            }
            let replaced = self.record(|state| promote(state, new.number));
            for old in replaced {
                self.drain(&old).await;
            }
        } else if let Err(error) = self.tell_instance(&new, Command::Serve).await {
            // The proof below shows whether it matters.
            tracing::warn!(release = %to, %error, "what serves does not hear");
        }
        self.record(|state| state.switching = None);
        self.prove(to).await
    }

    /// Tells an instance something; its death ends the wait.
    pub(super) async fn tell_instance(
        &self,
        instance: &StoredInstance,
        command: Command,
    ) -> Result<Reply, ControlError> {
        let control = self.sockets.instance_socket(instance.number, "control");
        tokio::select! {
            reply = tell(&control, command, COMMAND_PATIENCE) => reply,
            true = instance.process.is_over_within(COMMAND_PATIENCE) => {
                Err(std::io::Error::other("it ended").into())
            }
        }
    }

    /// A release that may or may not have begun to serve must not go on: the old one alone answers.
    async fn give_up_on(&self, new: &StoredInstance) {
        self.expect_end(new.number);
        if let Err(error) = new.process.end(Duration::ZERO).await {
            tracing::error!(%error, "a release that did not take the address lives on");
        }
        self.record(|state| state.switching = None);
    }

    fn did_not_serve(&self, new: &StoredInstance, error: &ControlError) -> Refusal {
        let lines = logs::last_lines(&self.log_of(&new.release), new.log_from, LINES_TOLD);
        let message = format!("release {} did not take the public address: {error}", new.release);
        Refusal::new(RefusalKind::ReleaseFailed, message).detail(lines)
    }

    /// Lets an instance finish what is under way and end; harder when it does not listen or takes too long.
    pub(super) async fn drain(self: &Arc<Self>, old: &StoredInstance) {
        if !old.process.is_alive() {
            self.forget(old.number);
            return;
        }
        if let Err(error) = self.tell_instance(old, Command::Drain).await {
            tracing::warn!(release = %old.release, %error, "it is asked to end by signal");
            old.process.signal(Signal::TERM);
        }
        self.end_after_drain(old);
    }

    /// Kills a draining instance when its time is long over.
    pub(super) fn end_after_drain(self: &Arc<Self>, old: &StoredInstance) {
        let (process, time) = (old.process.clone(), old.drain.longest());
        tokio::spawn(async move {
            if !process.is_over_within(time).await {
                tracing::warn!(pid = process.pid, "drained too long and is killed");
                process.kill_group();
            }
        });
    }

    /// Done only when a new connection to the public address is answered by `to`.
    async fn prove(&self, to: &ReleaseId) -> Result<String, Refusal> {
        let deadline = Instant::now() + PROOF_DEADLINE;
        loop {
            let answer = get_public(self.address, "/health/live", Duration::from_secs(1)).await;
            let seen = match answer {
                Ok(answer) if answer.release.as_deref() == Some(to.as_str()) => {
                    return Ok(format!("{to} answers on {}", self.address));
                }
                Ok(answer) => {
                    format!("answered by {}", answer.release.as_deref().unwrap_or("nobody we know"))
                }
                Err(error) => format!("no answer ({error})"),
            };
            if Instant::now() >= deadline {
                let message = format!("{to} took {}, but it is {seen}", self.address);
                return Err(Refusal::new(RefusalKind::Unknown, message));
            }
            sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Makes instance `number` the serving one. Gives those that served before.
pub(super) fn promote(state: &mut StoredState, number: u64) -> Vec<StoredInstance> {
    let mut replaced = Vec::new();
    let mut release = None;
    for instance in &mut state.instances {
        let role = match (instance.number == number, instance.role) {
            (true, _) => Role::Serving,
            (false, Role::Serving) => Role::Draining,
            (false, other) => other,
        };
        if instance.number == number {
            release = Some(instance.release.clone());
        } else if role != instance.role {
            replaced.push(instance.clone());
        }
        if role != instance.role {
            (instance.role, instance.since) = (role, now());
        }
    }
    // The same release started anew leaves what served before it as it was.
    if release.is_some() && release != state.serving {
        state.previous = std::mem::replace(&mut state.serving, release);
    }
    replaced
}
