//! What an engine's refusal means, and what to do then.

use std::io::ErrorKind;
use std::time::Duration;

use bollard::errors::Error as ClientError;

use super::EngineAddress;

/// Why an engine did not do something.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Nobody listens there, or we may not.
    #[error("no Docker engine answers at `{address}`")]
    Unreachable {
        /// Where.
        address: String,
        /// What the system said.
        #[source]
        source: ClientError,
    },
    /// No connection over SSH.
    #[error("no connection to `{address}`: {said}")]
    Ssh {
        /// Where.
        address: String,
        /// The host of it.
        host: String,
        /// What `ssh` said.
        said: String,
    },
    /// It took too long.
    #[error("the Docker engine at `{address}` did not {what} within {} s", limit.as_secs())]
    Silent {
        /// What it was asked.
        what: &'static str,
        /// Where.
        address: String,
        /// How long it had.
        limit: Duration,
    },
    /// What was asked for is not there.
    #[error("the Docker engine does not {what}: {message}")]
    NotFound {
        /// What it was asked.
        what: &'static str,
        /// What it said.
        message: String,
    },
    /// Somebody else changed it first.
    #[error("the Docker engine does not {what}: somebody else has changed it meanwhile")]
    OutOfSequence {
        /// What it was asked.
        what: &'static str,
    },
    /// It refused.
    #[error("the Docker engine does not {what}: {message}")]
    Refused {
        /// What it was asked.
        what: &'static str,
        /// HTTP status; 0 when it failed in the middle of an answer.
        status: u16,
        /// What it said.
        message: String,
    },
    /// What it said cannot be understood, or the connection broke.
    #[error("the Docker engine at `{address}` did not {what}")]
    Broken {
        /// What it was asked.
        what: &'static str,
        /// Where.
        address: String,
        /// How it broke.
        #[source]
        source: ClientError,
    },
}

impl EngineError {
    /// Reads what the client says.
    pub(super) fn of(what: &'static str, address: &EngineAddress, error: ClientError) -> Self {
        match error {
            ClientError::DockerResponseServerError { status_code, message } => {
                Self::answered(what, status_code, message)
            }
            ClientError::DockerStreamError { error } => Self::Refused { what, status: 0, message: error },
            source if cannot_connect(&source) => Self::Unreachable { address: address.to_string(), source },
            source => Self::Broken { what, address: address.to_string(), source },
        }
    }

    /// Source: a stale version is answered with 500 "update out of sequence" by engines that exist, with 409 by none yet.
    fn answered(what: &'static str, status: u16, message: String) -> Self {
        match status {
            404 => Self::NotFound { what, message },
            409 | 500 if message.contains("update out of sequence") => Self::OutOfSequence { what },
            _ => Self::Refused { what, status, message },
        }
    }

    /// It certainly did nothing: it was not reached, or said no.
    pub fn is_certain(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Ssh { .. }
            | Self::NotFound { .. }
            | Self::OutOfSequence { .. } => true,
            Self::Refused { status, .. } => (400..500).contains(status),
            Self::Silent { .. } | Self::Broken { .. } => false,
        }
    }

    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Unreachable { source, .. } if is_forbidden(source) => {
                "let this user use the engine: `usermod -aG docker <user>`, then log in again".to_owned()
            }
            Self::Ssh { host, said, .. } => ssh_hint(host, said),
            Self::Unreachable { .. } => "start it: `systemctl start docker`".to_owned(),
            Self::Refused { message, .. } | Self::NotFound { message, .. } if says_no_swarm(message) => {
                "make it a swarm: `docker swarm init`".to_owned()
            }
            Self::OutOfSequence { .. } => "see who changes it, then run it again".to_owned(),
            Self::Silent { .. } | Self::Broken { .. } | Self::Refused { .. } | Self::NotFound { .. } => {
                "look at the engine's log: `journalctl -u docker`".to_owned()
            }
        }
    }
}

/// Source: the words of OpenSSH 9.
fn ssh_hint(host: &str, said: &str) -> String {
    if said.contains("HOST IDENTIFICATION HAS CHANGED") {
        return format!(
            "if the host is really another one now: `ssh-keygen -R {host}`, then connect once by hand"
        );
    }
    if said.contains("Host key verification failed") {
        return format!("connect once by hand and compare its key: `ssh {host}`");
    }
    if said.contains("Permission denied") {
        return format!("let your key in: `ssh-copy-id {host}`, or name the right one in `~/.ssh/config`");
    }
    if said.contains("Could not resolve") {
        return "look at the host's name in `[engine] address`".to_owned();
    }
    if said.contains("refused") || said.contains("timed out") {
        return "look at host and port in `[engine] address`, and whether its sshd runs".to_owned();
    }
    format!("see what `ssh {host} true` says")
}

/// Source: the engine's words with status 503.
fn says_no_swarm(message: &str) -> bool {
    message.contains("is not a swarm manager")
}

fn cannot_connect(error: &ClientError) -> bool {
    matches!(error, ClientError::SocketNotFoundError(_))
        || system_error(error).is_some_and(|kind| {
            matches!(kind, ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::PermissionDenied)
        })
}

fn is_forbidden(error: &ClientError) -> bool {
    system_error(error) == Some(ErrorKind::PermissionDenied)
}

/// The kind of the system's error at the bottom, if there is one.
fn system_error(error: &ClientError) -> Option<ErrorKind> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(now) = cause {
        if let Some(found) = now.downcast_ref::<std::io::Error>() {
            return Some(found.kind());
        }
        cause = now.source();
    }
    None
}
