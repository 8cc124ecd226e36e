//! Taking an environment's releases down. Services stay, without tasks: what was there can be started again, and the edge, which
//! holds the certificates, is not touched.

use phases::engine::effects::EffectOutcome;
use phases::engine::failure::{Failure, FailureClass};
use tokio::time::{Instant, sleep};

use super::SwarmPlatform;
use super::names::Kind;
use super::rollout::{ENGINE_TIME, PERIOD};
use super::spec::with_replicas;
use super::trouble::Trouble;
use crate::docker::EngineError;

/// How often a change that somebody else was quicker with is begun anew.
const ATTEMPTS: usize = 10;

impl SwarmPlatform {
    /// Stops everything that runs of the environment's releases. Doing it again changes nothing.
    pub async fn down(&self, token: u64) -> EffectOutcome {
        for kind in Kind::ALL {
            let emptied = async {
                self.take_all(kind, token).await?;
                self.until_empty(kind).await.map_err(Trouble::after_a_write)
            };
            if let Err(trouble) = emptied.await {
                return trouble.into_outcome();
            }
        }
        super::done("nothing runs".to_owned())
    }

    async fn take_all(&self, kind: Kind, token: u64) -> Result<(), Trouble> {
        for _ in 0..ATTEMPTS {
            let Some(found) = self.found_under(kind, token).await? else { return Ok(()) };
            if found.replicas() == 0 {
                return Ok(());
            }
            match self.put(&found, with_replicas(found.spec.clone(), 0, token)).await {
                Ok(()) => return Ok(()),
                Err(EngineError::OutOfSequence { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(EngineError::OutOfSequence { what: "take the tasks from a service" }.into())
    }

    async fn until_empty(&self, kind: Kind) -> Result<(), Trouble> {
        let begun = Instant::now();
        loop {
            let Some(service) = self.find(kind).await? else { return Ok(()) };
            if !self.tasks(&service).await?.iter().any(super::tasks::Seen::is_alive) {
                return Ok(());
            }
            let patience = service.grace() + ENGINE_TIME;
            if begun.elapsed() > patience {
                let message = format!("a task goes on running after {} s", patience.as_secs());
                let hint = "see whether its node is up: `docker node ls`";
                return Err(Trouble::InDoubt(Failure::new(FailureClass::Failed, message).hint(hint)));
            }
            sleep(PERIOD).await;
        }
    }
}
