//! Who serves, as a client sees it: what the supervisor means to serve counts only when it answers.

use std::time::Duration;

use phases::engine::effects::{Evidence, Probe};
use phases::engine::failure::{Failure, FailureClass};
use phases::engine::platform::Role;
use phases::release::ReleaseId;

use super::ProcessPlatform;
use crate::supervisor::http::get_public;

/// How long the public address may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

impl ProcessPlatform {
    /// Whether a new connection to the public address is answered by `release`. Unknown when it is meant to serve
    /// and does not answer: it may be starting again, and it may hang.
    pub async fn probe_serving(&self, release: &ReleaseId) -> Probe {
        let failed = |message: String| Probe::Unknown(Failure::new(FailureClass::Failed, message));
        let state = match self.supervised().read().await {
            Ok(state) => state,
            Err(error) => return failed(error.to_string()),
        };
        let mut instances = state.instances.iter();
        let serving = instances.find(|found| found.release == *release && found.role == Role::Serving);
        let Some(instance) = serving.filter(|_| state.serving.as_ref() == Some(release)) else {
            return Probe::NotDone;
        };
        if !instance.process.is_alive() {
            // It could not be started again where it is, and stands by to take its own place.
            if state.usable(release).is_some() {
                return Probe::NotDone;
            }
            return failed(format!("{release} has the public address and is not alive"));
        }
        let address = state.address.unwrap_or(self.options.address);
        match get_public(address, "/health/live", PATIENCE).await {
            Ok(answer) if answer.release.as_deref() == Some(release.as_str()) => {
                Probe::Done(Evidence { summary: format!("{release} answers"), ..Evidence::default() })
            }
            Ok(answer) => {
                let who = answer.release.as_deref().unwrap_or("nobody we know");
                failed(format!("{release} should answer on {address}, and {who} does"))
            }
            Err(error) => failed(format!("{release} should answer on {address}: {error}")),
        }
    }
}
