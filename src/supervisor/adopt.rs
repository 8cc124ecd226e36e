//! Taking over from a supervisor that is gone: the releases that live, and the public socket one of them
//! still has. On a clean machine there is nothing to take over, and the socket is made.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use phases::engine::platform::Role;
use secrecy::SecretString;

use super::control::{Command, Mode, tell};
use super::core::{Held, Supervisor};
use super::error::SupervisorError;
use super::kept_environment::KeptEnvironment;
use super::listener::{address_of, is_taken, listen_on, port_holder};
use super::process::ProcessIdentity;
use super::protocol::Variable;
use super::state::{StoredInstance, StoredState};
use super::strangers::{self, Stranger};
use super::switch::promote;
use super::{SuperviseOptions, instance};
use crate::state_directory::{SocketDirectory, StateDirectory};

/// How long a living release may take to answer its new supervisor.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);
/// How long a killed release may take to be gone.
const END_PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// Makes a supervisor of what was left.
pub(super) async fn take_over(
    options: SuperviseOptions,
    directory: StateDirectory,
    sockets: SocketDirectory,
) -> Result<Arc<Supervisor>, SupervisorError> {
    let mut state = StoredState::read(&directory)?;
    let strangers = recognise(&mut state, strangers::holders(&sockets));
    keep_ours(&mut state);
    let mut modes = Vec::new();
    for instance in &state.instances {
        modes.push((instance.number, mode_of(&sockets, instance).await));
    }
    let doubtful = settle(&mut state, &modes);
    let public = public_from(&sockets, &state.instances).await;
    end_all(strangers.into_iter().map(|stranger| stranger.process).chain(doubtful)).await;
    keep_ours(&mut state);
    let public = match public {
        Some(public) => public,
        // Whoever held the address without being known is gone by now.
        None => match listen_on(options.address) {
            Err(error) if is_taken(&error) => wrested_from_the_deaf(&mut state, options.address).await?,
            listened => listened.map_err(|error| cannot_listen(options.address, error))?,
        },
    };
    // What lives goes on where it is; whoever wants to start something elsewhere is told so.
    let address = address_of(&public)?;
    state.supervisor = ProcessIdentity::of(std::process::id().cast_signed());
    state.address = Some(address);
    state.write(&directory)?;
    let supervisor = Arc::new(Supervisor::new(address, directory, sockets, state, public));
    for instance in supervisor.state().instances {
        let mode = modes.iter().find(|(number, _)| *number == instance.number).and_then(|(_, mode)| *mode);
        supervisor.adopt(instance, mode).await;
    }
    Ok(supervisor)
}

impl Supervisor {
    async fn adopt(self: &Arc<Self>, instance: StoredInstance, mode: Option<Mode>) {
        tracing::info!(release = %instance.release, pid = instance.process.pid, role = ?instance.role, "adopted");
        let environment = kept_environment(&instance).or_else(|| environment_of(&instance.process));
        if let Some(environment) = environment {
            self.memory().held.insert(instance.number, Held { sockets: None, environment });
        }
        self.watch(instance.number, instance.process.clone());
        match (instance.role, mode) {
            (Role::Draining, _) => self.drain(&instance).await,
            (Role::Serving, Some(Mode::Serving | Mode::Draining)) | (Role::Candidate, _) => {}
            // It was started again, and nobody was left to tell it.
            (Role::Serving, _) => self.let_serve(instance.number, instance.process),
        }
    }
}

async fn mode_of(sockets: &SocketDirectory, instance: &StoredInstance) -> Option<Mode> {
    let control = sockets.instance_socket(instance.number, "control");
    match tell(&control, Command::Status, PATIENCE).await {
        Ok(reply) => Some(reply.mode),
        Err(error) => {
            tracing::warn!(release = %instance.release, %error, "a living release does not answer");
            None
        }
    }
}

/// Gives a serving instance that was started again, and not written down, its new process. Gives back who else
/// holds a control socket: a release that nobody knows.
fn recognise(state: &mut StoredState, holders: Vec<Stranger>) -> Vec<Stranger> {
    let mut strangers = Vec::new();
    for holder in holders {
        match state.instance_mut(holder.number) {
            Some(known) if known.process.is_alive() => {}
            Some(known) if known.role == Role::Serving => known.process = holder.process,
            _ => strangers.push(holder),
        }
    }
    strangers
}

/// Ends a switch that its supervisor did not: forward when the new release had begun to serve. Gives what must
/// not live on: of a candidate that cannot be asked nobody knows whether it accepts.
fn settle(state: &mut StoredState, modes: &[(u64, Option<Mode>)]) -> Vec<ProcessIdentity> {
    let switching = state.switching.take();
    let mode = |number| modes.iter().find(|(found, _)| *found == number).and_then(|(_, mode)| *mode);
    let candidates: Vec<StoredInstance> =
        state.instances.iter().filter(|found| found.role == Role::Candidate).cloned().collect();
    let mut doubtful = Vec::new();
    for candidate in candidates {
        let is_meant = switching.as_ref() == Some(&candidate.release);
        match mode(candidate.number) {
            Some(Mode::Serving) if is_meant => drop(promote(state, candidate.number)),
            Some(Mode::Serving) => doubtful.push(candidate.process),
            None if is_meant => doubtful.push(candidate.process),
            _ => {}
        }
    }
    doubtful
}

/// Ends releases that must not go on.
async fn end_all(processes: impl Iterator<Item = ProcessIdentity>) {
    for process in processes {
        tracing::warn!(pid = process.pid, "a release that nobody knows or that cannot be asked is killed");
        process.kill_group();
        if !process.is_over_within(END_PATIENCE).await {
            tracing::error!(pid = process.pid, "it lives on");
        }
    }
}

/// The public listener as a living release hands it back, the serving one first.
async fn public_from(sockets: &SocketDirectory, instances: &[StoredInstance]) -> Option<OwnedFd> {
    let mut order: Vec<&StoredInstance> = instances.iter().collect();
    order.sort_by_key(|instance| instance.role != Role::Serving);
    for instance in order {
        let control = sockets.instance_socket(instance.number, "control");
        match tell(&control, Command::Give, PATIENCE).await {
            Ok(reply) => return reply.listener,
            Err(error) => tracing::warn!(release = %instance.release, %error, "cannot give the listener"),
        }
    }
    None
}

/// The address, when only releases of ours can hold it that do not answer: with a deaf one on it no verb would work
/// any more. They are ended, and the one that is meant to serve is started again.
async fn wrested_from_the_deaf(
    state: &mut StoredState,
    address: SocketAddr,
) -> Result<OwnedFd, SupervisorError> {
    let deaf: Vec<ProcessIdentity> =
        state.instances.iter().map(|found| found.process.clone()).filter(ProcessIdentity::is_alive).collect();
    end_all(deaf.into_iter()).await;
    keep_ours(state);
    listen_on(address).map_err(|error| cannot_listen(address, error))
}

fn cannot_listen(address: SocketAddr, source: std::io::Error) -> SupervisorError {
    if is_taken(&source) {
        return SupervisorError::PortTaken { address, holder: port_holder(address) };
    }
    SupervisorError::Listen { address, source }
}

/// What lives, and what is meant to serve and died after its supervisor or with it: that is started again like any
/// other that dies. One that was being withdrawn is not meant to serve any more, whatever its role says.
fn keep_ours(state: &mut StoredState) {
    let serving = state.serving.clone();
    state.instances.retain(|instance| {
        let is_meant = instance.role == Role::Serving && serving.as_ref() == Some(&instance.release);
        instance.process.is_alive() || is_meant && instance.process.is_of_this_boot()
    });
}

/// What a release was started with last.
fn kept_environment(instance: &StoredInstance) -> Option<Vec<Variable>> {
    match KeptEnvironment::read(&instance.directory) {
        Ok(kept) => kept.map(|kept| kept.variables(instance.release.as_str())),
        Err(error) => {
            tracing::error!(release = %instance.release, %error, "it cannot be started again");
            None
        }
    }
}

/// What a living release was started with. Its number may belong to somebody else as soon as it is dead, so it has
/// to live before and after the look.
fn environment_of(process: &ProcessIdentity) -> Option<Vec<Variable>> {
    let living = || process.is_alive().then_some(());
    living()?;
    let bytes = std::fs::read(format!("/proc/{}/environ", process.pid)).ok()?;
    living()?;
    let variables: Vec<Variable> = bytes
        .split(|&byte| byte == 0)
        .filter_map(|entry| std::str::from_utf8(entry).ok()?.split_once('='))
        .filter(|(name, _)| !instance::GIVEN.contains(name))
        .map(|(name, value)| Variable { name: name.to_owned(), value: SecretString::from(value) })
        .collect();
    // A process that has just ended has none.
    (!variables.is_empty()).then_some(variables)
}
