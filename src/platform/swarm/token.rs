//! The fence: the newest token, kept by the engine in a label that changes by compare-and-swap. Raising it touches every
//! service, so that whatever an older run has read of one is out of date. Source: ADR 43.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard::models::{Config, ConfigSpec};
use bollard::query_parameters::{ListConfigsOptionsBuilder, UpdateConfigOptionsBuilder};
use tokio::time::{Instant, sleep};

use super::SwarmPlatform;
use super::names::{Kind, TOKEN};
use super::rollout::{ENGINE_TIME, PERIOD};
use super::service::Found;
use super::trouble::Trouble;
use crate::docker::EngineError;

/// Kind of the object.
const FENCE: &str = "fence";
/// How often a race with somebody else is begun anew. Each lost one means that somebody has won.
const ATTEMPTS: usize = 20;

impl SwarmPlatform {
    /// The newest token the fence has seen; 0 before the first.
    pub(super) async fn fence_token(&self) -> Result<u64, EngineError> {
        Ok(self.fence_config().await?.as_ref().map_or(0, token_of))
    }

    /// Lets no older run change anything: the fence, then every service.
    pub(super) async fn raise_to(&self, token: u64) -> Result<(), Trouble> {
        self.raise_fence_to(token).await?;
        for kind in Kind::ALL {
            self.mark(kind, token).await?;
        }
        Ok(())
    }

    /// The service as it is now, if this run may change it. Every effect begins here: what is read before the fence is
    /// looked at can only be written while nobody has raised it since.
    pub(super) async fn found_under(&self, kind: Kind, token: u64) -> Result<Option<Found>, Trouble> {
        let found = self.find(kind).await?;
        let marked = found.as_ref().map_or(0, Found::token);
        let newest = marked.max(self.fence_token().await?);
        if newest > token {
            return Err(Trouble::LeaseLost { token, newest });
        }
        self.raise_fence_to(token).await?;
        Ok(found)
    }

    async fn raise_fence_to(&self, token: u64) -> Result<(), Trouble> {
        for _ in 0..ATTEMPTS {
            let fence = self.fence_config().await?;
            let newest = fence.as_ref().map_or(0, token_of);
            if newest > token {
                return Err(Trouble::LeaseLost { token, newest });
            }
            if newest == token && fence.is_some() {
                return Ok(());
            }
            match self.write_fence(fence, token).await {
                Ok(()) => return Ok(()),
                // Somebody was quicker: look again.
                Err(EngineError::OutOfSequence { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(EngineError::OutOfSequence { what: "raise the fence" }.into())
    }

    async fn write_fence(&self, fence: Option<Config>, token: u64) -> Result<(), EngineError> {
        let name = self.names.fence();
        let Some(fence) = fence else {
            let mut labels = self.names.labels(FENCE);
            labels.insert(TOKEN.to_owned(), token.to_string());
            // Engines take no empty one, and nobody reads it.
            let data = Some(STANDARD.encode(FENCE));
            let spec = ConfigSpec { name: Some(name), labels: Some(labels), data, ..ConfigSpec::default() };
            let made = self
                .options
                .engine
                .ask("make the fence", |client| async move { client.create_config(spec).await })
                .await;
            return match made {
                Ok(_) => Ok(()),
                Err(EngineError::Refused { status: 409, .. }) => {
                    Err(EngineError::OutOfSequence { what: "make the fence" })
                }
                Err(error) => Err(error),
            };
        };
        let version = fence.version.and_then(|version| version.index).unwrap_or_default();
        let mut spec = fence.spec.unwrap_or_default();
        spec.labels.get_or_insert_default().insert(TOKEN.to_owned(), token.to_string());
        let options = UpdateConfigOptionsBuilder::default().version(version.cast_signed()).build();
        self.options
            .engine
            .ask("raise the fence", |client| async move { client.update_config(&name, spec, options).await })
            .await
    }

    async fn fence_config(&self) -> Result<Option<Config>, EngineError> {
        let options = ListConfigsOptionsBuilder::default().filters(&self.names.filter(FENCE)).build();
        let found = self
            .options
            .engine
            .ask("list its configs", |client| async move { client.list_configs(Some(options)).await })
            .await?;
        Ok(found.into_iter().next())
    }

    /// Waits while the engine may still take back by itself what it was told: whoever writes the service then makes it begin that
    /// rollout anew, with nothing to go back to. One that is stuck is not waited for longer than the engine watches it.
    async fn until_judged(&self, kind: Kind, token: u64) -> Result<(), Trouble> {
        let begun = Instant::now();
        let mut told = false;
        loop {
            let Some(found) = self.find(kind).await? else { return Ok(()) };
            if found.token() >= token || !found.is_being_changed() || !found.goes_back_by_itself() {
                return Ok(());
            }
            if begun.elapsed() > self.options.ready_deadline + ENGINE_TIME {
                tracing::warn!("the engine has not finished its rollout and is not waited for any longer");
                return Ok(());
            }
            if !told {
                told = true;
                tracing::info!("waiting for the engine to finish the rollout of an older run");
            }
            sleep(PERIOD).await;
        }
    }

    /// Puts the token on a service, so that what an older run has read of it is out of date.
    async fn mark(&self, kind: Kind, token: u64) -> Result<(), Trouble> {
        self.until_judged(kind, token).await?;
        for _ in 0..ATTEMPTS {
            let Some(found) = self.find(kind).await? else { return Ok(()) };
            if found.token() > token {
                return Err(Trouble::LeaseLost { token, newest: found.token() });
            }
            if found.token() == token {
                return Ok(());
            }
            let mut spec = found.spec.clone();
            spec.labels.get_or_insert_default().insert(TOKEN.to_owned(), token.to_string());
            match self.put(&found, spec).await {
                Ok(()) => return Ok(()),
                Err(EngineError::OutOfSequence { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(EngineError::OutOfSequence { what: "mark a service with the token" }.into())
    }
}

fn token_of(config: &Config) -> u64 {
    let labels = config.spec.as_ref().and_then(|spec| spec.labels.as_ref());
    labels.and_then(|labels| labels.get(TOKEN)).and_then(|token| token.parse().ok()).unwrap_or(0)
}
