//! An engine of its own becomes a swarm of one node; more nodes join by their own hand.

use bollard::models::SwarmInitRequest;

use super::State;
use crate::docker::EngineError;
use crate::error::{Error, chain};
use crate::platform::swarm::SwarmPlatform;

/// Where managers listen. Source: the engine's usual port.
const LISTEN: &str = "0.0.0.0:2377";

pub(super) async fn look(platform: &SwarmPlatform) -> State {
    let asked = platform.engine().ask("tell what it is", |client| async move { client.info().await }).await;
    let swarm = match asked {
        Ok(info) => info.swarm.unwrap_or_default(),
        Err(error) => return State::Wrong { said: chain(&error), hint: error.hint() },
    };
    use bollard::models::LocalNodeState::{ACTIVE, EMPTY, INACTIVE};
    match (swarm.local_node_state, swarm.control_available) {
        (Some(ACTIVE), Some(true)) => State::There("manager".to_owned()),
        (None | Some(INACTIVE | EMPTY), _) => State::Missing("a swarm of this one node".to_owned()),
        (Some(state), _) => State::Wrong {
            said: format!("the engine is part of a swarm and no manager of it ({state})"),
            hint: "name a manager in `[engine] address`, or `docker node promote` this one".to_owned(),
        },
    }
}

pub(super) async fn make(platform: &SwarmPlatform) -> Result<String, Error> {
    let request = SwarmInitRequest { listen_addr: Some(LISTEN.to_owned()), ..SwarmInitRequest::default() };
    let made = platform
        .engine()
        .ask("become a swarm", |client| async move { client.init_swarm(request).await })
        .await;
    let refused = |error: EngineError| {
        let said = chain(&error);
        let hint = if said.contains("advertise") {
            "several addresses are there: `docker swarm init --advertise-addr <address>` on that host"
                .to_owned()
        } else {
            error.hint()
        };
        Error::refused(said).hint(hint)
    };
    made.map(|node| format!("node {node}")).map_err(refused)
}
