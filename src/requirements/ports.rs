//! Is the public address free, or ours?

use std::net::{SocketAddr, TcpListener};

use phases::engine::failure::CheckEvidence;

use super::Line;
use crate::platform::process::ProcessPlatform;
use crate::site::Site;
use crate::supervisor::listener::port_holder;

/// Ours when the supervisor listens there; else nobody may.
pub fn ask(site: &Site) -> Vec<CheckEvidence> {
    let line = Line::new("port", "ops");
    let address = match site.environment.listen_address() {
        Ok(address) => address,
        Err(message) => {
            return vec![line.failed(
                "an address this machine can listen on",
                message,
                "correct `[backend] url`",
            )];
        }
    };
    if ProcessPlatform::listening_on(&site.state) == Some(address) {
        return vec![line.passed(format!("{address} is ours"))];
    }
    vec![match TcpListener::bind(address) {
        Ok(_) => line.passed(format!("{address} is free")),
        Err(error) => line.failed(
            format!("{address} is free"),
            taken(address, &error),
            "end that program, or give `--port`",
        ),
    }]
}

fn taken(address: SocketAddr, error: &std::io::Error) -> String {
    match port_holder(address) {
        Some(holder) => format!("taken by {holder}"),
        None => error.to_string(),
    }
}
