//! The supervisor's memory: what is on disk, what it holds open, and the one door through which both change.

use std::collections::{HashMap, HashSet};
use std::io::Error as IoError;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::logs::collect::Collector;
use super::process::ProcessIdentity;
use super::protocol::{Refusal, RefusalKind, Variable};
use super::revive::Restarts;
use super::state::{StateFileError, StoredInstance, StoredState};
use crate::error::chain;
use crate::state_directory::{SocketDirectory, StateDirectory};

/// One supervisor. Effects run one after the other; reading never waits for them.
pub(super) struct Supervisor {
    /// Public address.
    pub(super) address: SocketAddr,
    pub(super) directory: StateDirectory,
    pub(super) sockets: SocketDirectory,
    /// Held while an effect runs.
    pub(super) effects: tokio::sync::Mutex<()>,
    /// Told when there is nothing left to do.
    pub(super) closing: Notify,
    /// Where the logs of releases have been read to.
    pub(super) collector: Mutex<Collector>,
    memory: Mutex<Memory>,
}

/// What is not on disk.
pub(super) struct Memory {
    state: StoredState,
    /// The public listener; gone once the supervisor closes.
    pub(super) public: Option<OwnedFd>,
    /// By number of the instance.
    pub(super) held: HashMap<u64, Held>,
    /// Instances whose end was asked for.
    ending: HashSet<u64>,
    /// By number of the instance.
    pub(super) restarts: HashMap<u64, Restarts>,
}

/// What is needed to start an instance again on the same sockets.
pub(super) struct Held {
    /// Private and control; none for an instance that an earlier supervisor started.
    pub(super) sockets: Option<(UnixListener, UnixListener)>,
    pub(super) environment: Vec<Variable>,
}

impl Supervisor {
    pub(super) fn new(
        address: SocketAddr,
        directory: StateDirectory,
        sockets: SocketDirectory,
        state: StoredState,
        public: OwnedFd,
    ) -> Self {
        let (held, restarts, ending) = (HashMap::new(), HashMap::new(), HashSet::new());
        let memory = Memory { state, public: Some(public), held, restarts, ending };
        let collector = Mutex::new(Collector::resume(&directory));
        Self {
            collector,
            address,
            directory,
            sockets,
            effects: tokio::sync::Mutex::new(()),
            closing: Notify::new(),
            memory: Mutex::new(memory),
        }
    }

    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy of the state.
    pub(super) fn state(&self) -> StoredState {
        self.memory().state.clone()
    }

    /// Changes the state on disk, then in memory.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut StoredState) -> T) -> Result<T, StateFileError> {
        let mut memory = self.memory();
        let mut state = memory.state.clone();
        let result = change(&mut state);
        state.write(&self.directory)?;
        memory.state = state;
        Ok(result)
    }

    /// Changes the state after something happened that no full disk can make unhappen.
    pub(super) fn record<T>(&self, change: impl FnOnce(&mut StoredState) -> T) -> T {
        let mut memory = self.memory();
        let result = change(&mut memory.state);
        if let Err(error) = memory.state.write(&self.directory) {
            tracing::error!(%error, "the state on disk is behind");
        }
        result
    }

    /// Accepts a token, durably, before anything is done in its name.
    pub(super) fn fence(&self, token: u64) -> Result<(), Refusal> {
        let seen = self.state().token;
        if token == seen {
            return Ok(());
        }
        self.change(|state| state.accept(token))
            .unwrap_or_else(Err)
            .map_err(|error| Refusal::new(RefusalKind::of(&error), chain(&error)).maybe_hint(error.hint()))
    }

    /// Makes fresh sockets for instance `number` and keeps them with its environment.
    pub(super) fn hold(&self, number: u64, environment: Vec<Variable>) -> Result<(), IoError> {
        self.remove_sockets(number);
        let bind = |kind| UnixListener::bind(self.sockets.instance_socket(number, kind));
        let sockets = Some((bind("private")?, bind("control")?));
        self.memory().held.insert(number, Held { sockets, environment });
        Ok(())
    }

    /// Makes new sockets when the old ones went down with an earlier supervisor.
    pub(super) fn hold_again(&self, number: u64) -> Result<(), IoError> {
        let environment = match self.memory().held.get(&number) {
            Some(Held { sockets: None, environment }) => environment.clone(),
            Some(_) => return Ok(()),
            None => return Err(IoError::other("its environment is not known")),
        };
        self.hold(number, environment)
    }

    /// From now on the end of this instance is wanted.
    pub(super) fn expect_end(&self, number: u64) {
        self.memory().ending.insert(number);
    }

    /// An instance and whether its end was asked for, seen in one moment: an effect that ends it forgets both, one
    /// after the other, and half of that would look like a release that died by itself.
    pub(super) fn found(&self, number: u64, process: &ProcessIdentity) -> Option<(StoredInstance, bool)> {
        let memory = self.memory();
        let is_it = |found: &&StoredInstance| found.number == number && found.process == *process;
        let instance = memory.state.instances.iter().find(is_it)?.clone();
        Some((instance, memory.ending.contains(&number)))
    }

    pub(super) fn is_ending(&self, number: u64) -> bool {
        self.memory().ending.contains(&number)
    }

    /// Strikes an instance that is over from the state.
    pub(super) fn forget(&self, number: u64) {
        let state = self.state();
        if let Some(instance) = state.instances.iter().find(|found| found.number == number) {
            self.collect_log(instance.release.as_str());
        }
        self.record(|state| state.instances.retain(|found| found.number != number));
        self.release(number);
    }

    /// Lets go of what was held for an instance.
    pub(super) fn release(&self, number: u64) {
        let mut memory = self.memory();
        memory.held.remove(&number);
        memory.restarts.remove(&number);
        memory.ending.remove(&number);
        drop(memory);
        self.remove_sockets(number);
    }

    fn remove_sockets(&self, number: u64) {
        for kind in ["private", "control"] {
            let _ = std::fs::remove_file(self.sockets.instance_socket(number, kind));
        }
    }

    /// Lets go of the public address and closes when nothing runs any more. Called under `effects`.
    pub(super) fn close_when_idle(&self) {
        let mut memory = self.memory();
        if memory.state.instances.is_empty() {
            memory.public = None;
            self.closing.notify_one();
        }
    }

    /// Whether it is about to end and takes no more work.
    pub(super) fn is_closing(&self) -> bool {
        self.memory().public.is_none()
    }
}

impl RefusalKind {
    pub(super) fn of(error: &StateFileError) -> Self {
        match error {
            StateFileError::LowerToken { .. } => Self::LowerToken,
            _ => Self::Failed,
        }
    }
}
