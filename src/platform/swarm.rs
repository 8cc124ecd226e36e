//! The platform `swarm`: releases as services of Docker Engine's own orchestrator, on one node or many. The engine finishes or
//! reverts what it was told when crmctl dies; everything crmctl must remember of a release, the engine keeps. `state` changes
//! nothing.

mod change;
mod door;
mod down;
pub mod edge;
mod foreign;
mod logs;
mod names;
mod observe;
mod ready;
mod record;
mod retire;
mod rollout;
mod service;
mod spec;
mod tasks;
mod token;
mod trouble;
mod vitals;

use std::time::Duration;

use async_trait::async_trait;
use bollard::auth::DockerCredentials;
use checks::Subject;
use phases::engine::effects::{EffectContext, EffectOutcome, Evidence};
use phases::engine::platform::{Platform, PlatformState, PlatformUnreadable};
use phases::release::ReleaseId;
use serde_json::json;
use url::Url;

use crate::docker::{Engine, EngineError, RegistryLogin};
use crate::error::chain;
pub use door::{CANDIDATE_HEADER, Door, Way};
pub use logs::FollowedTasks;
pub use names::LONGEST_ENVIRONMENT;
use names::{Kind, Names};
pub use record::{Limits, ReleaseRecord, SecretValue};
use spec::Pace;
use trouble::Trouble;

/// What the platform must know of its environment.
#[derive(Clone)]
pub struct SwarmOptions {
    /// Name of the environment, at most [`LONGEST_ENVIRONMENT`] characters.
    pub environment: String,
    /// The engine: a manager of the swarm.
    pub engine: Engine,
    /// The way users come.
    pub door: Door,
    /// How long a release may take to become ready.
    pub ready_deadline: Duration,
    /// Registry of the images and who pulls from it.
    pub login: Option<(String, RegistryLogin)>,
}

/// Releases as services of a swarm.
#[derive(Clone)]
pub struct SwarmPlatform {
    options: SwarmOptions,
    names: Names,
}

impl SwarmPlatform {
    /// The platform of one environment. Touches nothing.
    pub fn new(options: SwarmOptions) -> Self {
        let names = Names::new(&options.environment);
        Self { options, names }
    }

    /// Puts the content of a release there, to be started: what it takes to run it, and its secrets.
    pub async fn provide(
        &self,
        record: &ReleaseRecord,
        secrets: &[SecretValue],
        token: u64,
    ) -> EffectOutcome {
        let provided = async {
            self.found_under(Kind::Backend, token).await?;
            self.write_record(record, secrets).await
        };
        match provided.await {
            Ok(()) => done(format!("{} can be started", record.release)),
            Err(trouble) => trouble.into_outcome(),
        }
    }

    /// The engine it speaks to.
    pub fn engine(&self) -> &Engine {
        &self.options.engine
    }

    /// What users reach at `address`.
    pub fn public(&self, address: Url) -> Subject {
        self.options.door.subject(address)
    }

    /// The candidate, the way users will come; none when `release` is not on trial.
    ///
    /// # Errors
    /// The engine cannot be asked.
    pub async fn candidate(
        &self,
        release: &ReleaseId,
        address: Url,
    ) -> Result<Option<Subject>, PlatformUnreadable> {
        let unreadable = |error: EngineError| PlatformUnreadable { reason: chain(&error) };
        let found = self.find(Kind::Candidate).await.map_err(unreadable)?;
        let is_on_trial = found.is_some_and(|service| service.release().as_ref() == Some(release));
        Ok(is_on_trial.then(|| self.options.door.candidate(address)))
    }

    fn credentials(&self) -> Option<DockerCredentials> {
        self.options.login.as_ref().map(|(registry, login)| login.credentials(registry))
    }
}

#[async_trait]
impl Platform for SwarmPlatform {
    async fn state(&self) -> Result<PlatformState, PlatformUnreadable> {
        self.look().await.map_err(|error| PlatformUnreadable { reason: chain(&error) })
    }

    async fn fence(&self, token: u64) -> EffectOutcome {
        match self.raise_to(token).await {
            Ok(()) => done(format!("token {token}")),
            Err(trouble) => trouble.into_outcome(),
        }
    }

    async fn start(&self, release: &ReleaseId, context: &EffectContext<'_>) -> EffectOutcome {
        match self.start_candidate(release, context.token).await {
            Ok(how) => done(format!("{release} {how}")),
            Err(trouble) => trouble.into_outcome(),
        }
    }

    async fn await_ready(&self, release: &ReleaseId, context: &EffectContext<'_>) -> EffectOutcome {
        match self.until_ready(release, context.token).await {
            Ok(took) => done(format!("{release} is ready after {:.1} s", took.as_secs_f64())),
            Err(trouble) => trouble.into_outcome(),
        }
    }

    async fn shift(&self, to: &ReleaseId, context: &EffectContext<'_>) -> EffectOutcome {
        let shifted = async {
            self.roll_out(to, Pace::Careful, context).await?;
            self.settle(to, to, context.token).await
        };
        match shifted.await {
            Ok(_) => done(format!("{to} serves")),
            Err(trouble) => trouble.into_outcome(),
        }
    }

    async fn restore(
        &self,
        to: Option<&ReleaseId>,
        from: &ReleaseId,
        context: &EffectContext<'_>,
    ) -> EffectOutcome {
        let restored = async {
            let Some(to) = to else {
                self.empty(Kind::Backend, Some(from), context.token).await?;
                self.end_candidate(from, context.token).await?;
                return Ok("nothing serves".to_owned());
            };
            self.roll_out(to, Pace::Swift, context).await?;
            self.settle(to, from, context.token).await?;
            Ok(format!("{to} serves again"))
        };
        match restored.await {
            Ok(summary) => done(summary),
            Err(trouble) => Trouble::into_outcome(trouble),
        }
    }

    async fn stop(&self, release: &ReleaseId, context: &EffectContext<'_>) -> EffectOutcome {
        match self.end_candidate(release, context.token).await {
            Ok(true) => done(format!("{release} is stopped")),
            Ok(false) => done(format!("{release} did not run")),
            Err(trouble) => trouble.into_outcome(),
        }
    }

    async fn retire(&self, keep: &[ReleaseId], context: &EffectContext<'_>) -> EffectOutcome {
        match self.remove_others(keep, context.token).await {
            Ok(removed) => done(format!("{removed} removed")),
            Err(trouble) => trouble.into_outcome(),
        }
    }
}

fn done(summary: String) -> EffectOutcome {
    EffectOutcome::Done(Evidence { facts: json!({}), checks: Vec::new(), summary })
}
