//! What releases of an environment are given: the serving one, and the next one. Of a value only a hash is told, so that whoever
//! asks can compare and not show; an engine gives no value back either.

use std::collections::BTreeMap;

use phases::engine::platform::Platform;
use phases::release::ReleaseId;

use super::{Site, release_environment, swarm};
use crate::error::{Error, chain};
use crate::platform::AnyPlatform;
use crate::supervisor::kept_environment::KeptEnvironment;

/// Hashes of values by name.
pub type Hashes = BTreeMap<String, String>;

impl Site {
    /// The release that serves.
    ///
    /// # Errors
    /// The platform does not say.
    pub async fn serving(&self) -> Result<Option<ReleaseId>, Error> {
        let name = &self.environment.facts.name;
        let state =
            self.platform.state().await.map_err(|error| {
                Error::refused(error.to_string()).hint(format!("run `crmctl doctor {name}`"))
            })?;
        Ok(state.serving)
    }

    /// What a release was given when it was started first; nothing is known of one that never was.
    ///
    /// # Errors
    /// What is kept of it cannot be read.
    pub async fn given_to(&self, release: &ReleaseId) -> Result<Hashes, Error> {
        let name = &self.environment.facts.name;
        match &self.platform {
            AnyPlatform::Process(_) => {
                let kept = KeptEnvironment::read(&self.state.release(release)).map_err(|error| {
                    Error::refused(chain(&error)).hint(format!("run `crmctl doctor {name}`"))
                })?;
                let given = kept.map(|kept| kept.given).unwrap_or_default();
                let hashed = |name: String, value| (name.clone(), swarm::object("", &name, value));
                Ok(given.iter().map(|variable| hashed(variable.name.clone(), &variable.value)).collect())
            }
            AnyPlatform::Swarm(platform) => {
                let record = platform.record(release).await;
                let record = record.map_err(|error| Error::refused(chain(&error)).hint(error.hint()))?;
                let Some(record) = record else { return Ok(Hashes::new()) };
                let plain = record
                    .variables
                    .iter()
                    .map(|(key, value)| (key.clone(), swarm::object(name, key, &value.as_str().into())));
                Ok(plain.chain(record.secrets.clone()).collect())
            }
        }
    }

    /// What a release made now would be given.
    ///
    /// # Errors
    /// The values are not fit.
    pub fn would_be_given(&self) -> Result<Hashes, Error> {
        let environment = match &self.platform {
            AnyPlatform::Process(_) => "",
            AnyPlatform::Swarm(_) => self.environment.facts.name.as_str(),
        };
        let mut given = release_environment::configured(&self.environment).map_err(Error::refused)?;
        if let AnyPlatform::Swarm(_) = self.platform {
            given = swarm::with_addresses(&self.environment, given);
        }
        let hashed = |variable: &crate::platform::process::EnvironmentVariable| {
            (variable.name.clone(), swarm::object(environment, &variable.name, &variable.value))
        };
        Ok(given.iter().map(hashed).collect())
    }
}
