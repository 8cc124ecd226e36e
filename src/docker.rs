//! The door to a Docker engine: where it is, one connection to it, a deadline on every call, and what its refusals mean.
//! Knows no release.

pub mod address;
mod error;
mod images;
mod ssh;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, Docker};
use tokio::sync::Mutex;
use tokio::time::timeout;

pub use address::EngineAddress;
pub use error::EngineError;
pub(crate) use images::registry_of;
pub use images::{Pushed, RegistryLogin};
use ssh::Link;

/// Longest wait for an answer that takes the engine no work.
pub const QUICK: Duration = Duration::from_secs(10);
/// Longest wait for images to be moved.
pub const IMAGES: Duration = Duration::from_secs(600);

/// An engine. Cheap to clone; connects when it is asked first.
#[derive(Clone)]
pub struct Engine {
    address: EngineAddress,
    ssh_config: Option<PathBuf>,
    connected: Arc<Mutex<Option<Connected>>>,
}

/// A connection, and what it goes through.
struct Connected {
    client: Docker,
    link: Option<Link>,
}

impl Engine {
    /// The engine at an address. Touches nothing.
    pub fn new(address: EngineAddress) -> Self {
        Self { address, ssh_config: None, connected: Arc::new(Mutex::new(None)) }
    }

    /// The same, reached with a configuration of `ssh` other than the operator's: a CI job brings its own.
    #[must_use]
    pub fn with_ssh_config(mut self, file: PathBuf) -> Self {
        self.ssh_config = Some(file);
        self
    }

    /// Where it is.
    pub fn address(&self) -> &EngineAddress {
        &self.address
    }

    /// Asks something that is quick, within [`QUICK`]. `what` completes "the engine does not …".
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn ask<T, F>(
        &self,
        what: &'static str,
        question: impl FnOnce(Docker) -> F,
    ) -> Result<T, EngineError>
    where
        F: Future<Output = Result<T, bollard::errors::Error>>,
    {
        self.ask_within(QUICK, what, question).await
    }

    /// Asks something within `limit`.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn ask_within<T, F>(
        &self,
        limit: Duration,
        what: &'static str,
        question: impl FnOnce(Docker) -> F,
    ) -> Result<T, EngineError>
    where
        F: Future<Output = Result<T, bollard::errors::Error>>,
    {
        let client = self.client().await?;
        match timeout(limit, question(client)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                let error = EngineError::of(what, &self.address, error);
                // A connection that has just broken is made anew by the next question.
                if matches!(error, EngineError::Unreachable { .. }) {
                    *self.connected.lock().await = None;
                }
                Err(error)
            }
            Err(_) => Err(EngineError::Silent { what, address: self.address.to_string(), limit }),
        }
    }

    /// The one connection, made when there is none yet or the one there was has broken; a failure is not remembered.
    async fn client(&self) -> Result<Docker, EngineError> {
        let mut connected = self.connected.lock().await;
        if let Some(connected) = connected.as_mut()
            && !connected.link.as_mut().is_some_and(Link::is_broken)
        {
            return Ok(connected.client.clone());
        }
        // Before another one is made, so that what the broken one holds is given back.
        *connected = None;
        let fresh = self.connect().await?;
        Ok(connected.insert(fresh).client.clone())
    }

    async fn connect(&self) -> Result<Connected, EngineError> {
        let (socket, link) = match &self.address {
            EngineAddress::Unix(socket) => (socket.clone(), None),
            EngineAddress::Ssh(address) => {
                let link = Link::open(address, self.ssh_config.as_deref()).await?;
                (link.socket.clone(), Some(link))
            }
        };
        let client = open(&socket).map_err(|error| EngineError::of("answer", &self.address, error))?;
        match timeout(QUICK, client.negotiate_version()).await {
            Ok(Ok(client)) => Ok(Connected { client, link }),
            Ok(Err(error)) => Err(EngineError::of("tell its version", &self.address, error)),
            Err(_) => Err(EngineError::Silent {
                what: "tell its version",
                address: self.address.to_string(),
                limit: QUICK,
            }),
        }
    }
}

fn open(socket: &Path) -> Result<Docker, bollard::errors::Error> {
    Docker::connect_with_unix(&socket.to_string_lossy(), IMAGES.as_secs(), API_DEFAULT_VERSION)
}

#[cfg(test)]
mod tests;
