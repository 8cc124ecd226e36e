//! What releases of an environment are given: the serving one, and the next one. Values stay secret; whoever asks compares.

use std::collections::BTreeMap;

use phases::engine::platform::Platform;
use phases::release::ReleaseId;
use secrecy::SecretString;

use super::{Site, release_environment};
use crate::error::{Error, chain};
use crate::supervisor::kept_environment::KeptEnvironment;

/// Values by name.
pub type Values = BTreeMap<String, SecretString>;

impl Site {
    /// The release that serves.
    ///
    /// # Errors
    /// The platform does not say.
    pub async fn serving(&self) -> Result<Option<ReleaseId>, Error> {
        let name = &self.environment.facts.name;
        let state = self.platform.state().await.map_err(|error| {
            Error::refused(error.to_string())
                .hint(format!("run `crmctl logs {name}` and look at the supervisor"))
        })?;
        Ok(state.serving)
    }

    /// What a release was given when it was started first; nothing is known of one that never was.
    ///
    /// # Errors
    /// What is kept of it cannot be read.
    pub fn given_to(&self, release: &ReleaseId) -> Result<Values, Error> {
        let kept = KeptEnvironment::read(&self.state.release(release)).map_err(|error| {
            let name = &self.environment.facts.name;
            Error::refused(chain(&error)).hint(format!("run `crmctl doctor {name}`"))
        })?;
        let given = kept.map(|kept| kept.given).unwrap_or_default();
        Ok(given.into_iter().map(|variable| (variable.name, variable.value)).collect())
    }

    /// What a release made now would be given.
    ///
    /// # Errors
    /// The values are not fit.
    pub fn would_be_given(&self) -> Result<Values, Error> {
        let given = release_environment::configured(&self.environment).map_err(Error::refused)?;
        Ok(given.into_iter().map(|variable| (variable.name, variable.value)).collect())
    }
}
