//! Restarting what serves and died, on the same sockets: whoever connects meanwhile waits in the queue.

use std::io::Error as IoError;
use std::sync::Arc;
use std::time::Duration;

use phases::engine::platform::Role;
use tokio::time::{Instant, sleep};

use super::control::{Command, tell};
use super::core::{Memory, Supervisor};
use super::process::ProcessIdentity;
use super::state::{StoredInstance, now};

/// First wait, doubled with every death.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// Longest wait between two deaths.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Living this long counts as healthy: the next death is a first one again.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);
/// How long a restarted release may take to hear `serve`.
const SERVE_DEADLINE: Duration = Duration::from_secs(30);

/// How often an instance was restarted lately, and when last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Restarts {
    count: u32,
    last: Instant,
}

impl Supervisor {
    /// Starts instance `number` again, after a wait, unless it is not meant to serve any more.
    pub(super) fn revive(self: &Arc<Self>, number: u64) {
        let supervisor = Arc::clone(self);
        tokio::spawn(async move {
            loop {
                let wait = next_wait(&mut supervisor.memory(), number);
                sleep(wait).await;
                match supervisor.start_again(number).await {
                    Ok(()) => return,
                    Err(error) => tracing::error!(number, %error, "cannot restart"),
                }
            }
        });
    }

    async fn start_again(self: &Arc<Self>, number: u64) -> Result<(), IoError> {
        let _effects = self.effects.lock().await;
        let found = self.state().instances.into_iter().find(|found| found.number == number);
        let Some(instance) = found.filter(|found| found.role == Role::Serving && !self.is_ending(number))
        else {
            return Ok(());
        };
        self.hold_again(number)?;
        let (process, log_from) = self.launch(number, &instance.release, &instance.directory)?;
        tracing::info!(release = %instance.release, pid = process.pid, "restarted");
        let renewed = StoredInstance { process: process.clone(), log_from, since: now(), ..instance };
        self.record(|state| {
            state.instance_mut(number).into_iter().for_each(|found| *found = renewed.clone())
        });
        self.watch(number, process.clone());
        self.let_serve(number, process);
        Ok(())
    }

    /// Tells it to serve until it hears. Who does not hear in time is killed, and so started again. Holds up no
    /// effect: a switch meanwhile gives the address to somebody else, and this ends.
    pub(super) fn let_serve(self: &Arc<Self>, number: u64, process: ProcessIdentity) {
        let supervisor = Arc::clone(self);
        tokio::spawn(async move {
            let control = supervisor.sockets.instance_socket(number, "control");
            let deadline = Instant::now() + SERVE_DEADLINE;
            while supervisor.should_serve(number, &process) {
                match tell(&control, Command::Serve, Duration::from_secs(1)).await {
                    Ok(_) => return,
                    Err(error) => tracing::debug!(%error, "not serving yet"),
                }
                if Instant::now() >= deadline {
                    tracing::warn!(pid = process.pid, "it does not hear that it should serve, and is killed");
                    process.kill_group();
                    return;
                }
                sleep(Duration::from_millis(20)).await;
            }
        });
    }

    fn should_serve(&self, number: u64, process: &ProcessIdentity) -> bool {
        let is_meant = |found: &StoredInstance| {
            found.number == number && found.role == Role::Serving && found.process == *process
        };
        process.is_alive() && !self.is_ending(number) && self.state().instances.iter().any(is_meant)
    }
}

fn next_wait(memory: &mut Memory, number: u64) -> Duration {
    let now = Instant::now();
    let restarts = memory.restarts.entry(number).or_insert(Restarts { count: 0, last: now });
    if now.duration_since(restarts.last) > HEALTHY_AFTER {
        restarts.count = 0;
    }
    let wait = backoff(restarts.count);
    *restarts = Restarts { count: restarts.count + 1, last: now + wait };
    wait
}

fn backoff(deaths: u32) -> Duration {
    FIRST_WAIT.saturating_mul(2_u32.saturating_pow(deaths)).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit() {
        assert_eq!(backoff(0), FIRST_WAIT);
        assert_eq!(backoff(1), FIRST_WAIT * 2);
        assert_eq!(backoff(100), LONGEST_WAIT);
    }
}
