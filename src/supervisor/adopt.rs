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
use super::listener::{address_of, is_taken, listen_on, port_holder};
use super::process::ProcessIdentity;
use super::protocol::Variable;
use super::state::{StoredInstance, StoredState};
use super::switch::promote;
use super::{SuperviseOptions, instance};
use crate::state_directory::{SocketDirectory, StateDirectory};

/// How long a living release may take to answer its new supervisor.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);

/// Makes a supervisor of what was left.
pub(super) async fn take_over(
    options: SuperviseOptions,
    directory: StateDirectory,
    sockets: SocketDirectory,
) -> Result<Arc<Supervisor>, SupervisorError> {
    let mut state = StoredState::read(&directory)?;
    state.instances.retain(|instance| instance.process.is_alive());
    let mut modes = Vec::new();
    for instance in &state.instances {
        modes.push((instance.number, mode_of(&sockets, instance).await));
    }
    settle(&mut state, &modes);
    let public = match public_from(&sockets, &state.instances).await {
        Some(public) => public,
        None => listen_on(options.address).map_err(|error| cannot_listen(options.address, error))?,
    };
    // What lives goes on where it is; whoever wants to start something elsewhere is told so.
    let address = address_of(&public)?;
    state.supervisor = ProcessIdentity::of(std::process::id().cast_signed());
    state.address = Some(address);
    state.write(&directory)?;
    let supervisor = Arc::new(Supervisor::new(address, directory, sockets, state, public));
    for instance in supervisor.state().instances {
        supervisor.adopt(instance).await;
    }
    Ok(supervisor)
}

impl Supervisor {
    async fn adopt(self: &Arc<Self>, instance: StoredInstance) {
        tracing::info!(release = %instance.release, pid = instance.process.pid, role = ?instance.role, "adopted");
        let environment = environment_of(instance.process.pid);
        self.memory().held.insert(instance.number, Held { sockets: None, environment });
        self.watch(instance.number, instance.process.clone());
        if instance.role == Role::Draining {
            self.drain(&instance).await;
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

/// Ends a switch that its supervisor did not: forward when the new release had begun to serve.
fn settle(state: &mut StoredState, modes: &[(u64, Option<Mode>)]) {
    let Some(to) = state.switching.take() else {
        return;
    };
    let serves = |number| modes.contains(&(number, Some(Mode::Serving)));
    let begun = state
        .instances
        .iter()
        .find(|found| found.release == to && found.role == Role::Candidate && serves(found.number))
        .map(|found| found.number);
    if let Some(number) = begun {
        promote(state, number);
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

fn cannot_listen(address: SocketAddr, source: std::io::Error) -> SupervisorError {
    if is_taken(&source) {
        return SupervisorError::PortTaken { address, holder: port_holder(address) };
    }
    SupervisorError::Listen { address, source }
}

/// What a living release was started with, so that it can be started again without secrets on disk.
fn environment_of(pid: i32) -> Vec<Variable> {
    let bytes = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    bytes
        .split(|&byte| byte == 0)
        .filter_map(|entry| std::str::from_utf8(entry).ok()?.split_once('='))
        .filter(|(name, _)| !instance::GIVEN.contains(name))
        .map(|(name, value)| Variable { name: name.to_owned(), value: SecretString::from(value) })
        .collect()
}
