//! The platform `swarm`: releases as services of Docker Engine's own orchestrator, on one node or many. The engine finishes or
//! reverts what it was told when crmctl dies; everything crmctl must remember of a release, the engine keeps. `state` changes
//! nothing.

mod door;
pub mod edge;
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

use std::time::Duration;

use async_trait::async_trait;
use bollard::auth::DockerCredentials;
use phases::engine::effects::{EffectContext, EffectOutcome, Evidence};
use phases::engine::failure::{Failure, FailureClass};
use phases::engine::platform::{Platform, PlatformState, PlatformUnreadable};
use phases::release::ReleaseId;
use serde_json::json;

use crate::docker::{Engine, EngineError, RegistryLogin};
use crate::error::chain;
pub use door::{CANDIDATE_HEADER, Door};
pub use names::LONGEST_ENVIRONMENT;
use names::{Kind, Names};
pub use record::{Limits, ReleaseRecord, SecretValue};
use service::Found;
use spec::{Pace, Wanted, with_replicas};
use trouble::Trouble;

/// How often a change that somebody else was quicker with is begun anew.
const ATTEMPTS: usize = 10;

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

    fn credentials(&self) -> Option<DockerCredentials> {
        self.options.login.as_ref().map(|(registry, login)| login.credentials(registry))
    }

    /// What it takes to run a release, and the ids of the secrets the engine has.
    async fn content(&self, release: &ReleaseId) -> Result<Content, Trouble> {
        let Some(record) = self.record(release).await? else {
            let message = format!("release {release} is not on the engine");
            let hint = "deploy from a checkout of its commit: `crmctl history` names it";
            return Err(Failure::new(FailureClass::Failed, message).hint(hint).into());
        };
        Ok(Content { record, secrets: self.secret_ids().await? })
    }

    async fn start_candidate(&self, release: &ReleaseId, token: u64) -> Result<&'static str, Trouble> {
        let serving = self.found_under(Kind::Backend, token).await?;
        if serving.is_some_and(|service| service.release().as_ref() == Some(release)) {
            return Ok("serves already");
        }
        let content = self.content(release).await?;
        let mut wanted = content.wanted(&self.names, Kind::Candidate, token, None, Pace::Careful)?;
        for _ in 0..ATTEMPTS {
            let Some(found) = self.service(Kind::Candidate, &wanted, token).await? else { continue };
            let before = self.tasks(&found).await?;
            let is_wanted = found.release().as_ref() == Some(release);
            if is_wanted && before.iter().any(|task| task.release == *release && task.is_alive()) {
                return Ok("runs already");
            }
            // The same specification again would start nothing.
            let count = found.spec.task_template.as_ref().and_then(|task| task.force_update).unwrap_or(0);
            wanted.task_template.get_or_insert_default().force_update = Some(count + 1);
            match self.put(&found, wanted.clone()).await {
                Ok(()) => return self.until_begun(&found, release, &before).await.map(|()| "started"),
                Err(EngineError::OutOfSequence { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(EngineError::OutOfSequence { what: "start a candidate" }.into())
    }

    /// The service under this token; made without any task where there was none, and then to be looked for again.
    async fn service(
        &self,
        kind: Kind,
        wanted: &bollard::models::ServiceSpec,
        token: u64,
    ) -> Result<Option<Found>, Trouble> {
        if let Some(found) = self.found_under(kind, token).await? {
            return Ok(Some(found));
        }
        match self.make(with_replicas(wanted.clone(), 0, token)).await {
            // Invariant: nothing runs by a creation, which compares nothing.
            Ok(()) | Err(EngineError::OutOfSequence { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the backend run `to`.
    async fn roll_out(&self, to: &ReleaseId, pace: Pace, context: &EffectContext<'_>) -> Result<(), Trouble> {
        let token = context.token;
        let mut content = None;
        for _ in 0..ATTEMPTS {
            let found = self.found_under(Kind::Backend, token).await?;
            if found.as_ref().and_then(Found::release).as_ref() == Some(to) {
                return self.until_served(to, context).await;
            }
            if content.is_none() {
                content = Some(self.content(to).await?);
            }
            let previous = found.as_ref().and_then(|found| match pace {
                Pace::Careful => found.release(),
                Pace::Swift => found.previous().filter(|previous| previous != to),
            });
            let content = content.as_ref().expect("it was just read");
            let wanted = content.wanted(&self.names, Kind::Backend, token, previous, pace)?;
            let Some(found) = self.service(Kind::Backend, &wanted, token).await? else { continue };
            match self.put(&found, wanted).await {
                Ok(()) => return self.until_served(to, context).await,
                Err(EngineError::OutOfSequence { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(EngineError::OutOfSequence { what: "roll a release out" }.into())
    }

    async fn until_served(&self, release: &ReleaseId, context: &EffectContext<'_>) -> Result<(), Trouble> {
        self.until_rolled_out(release, context).await?;
        self.until_answered_by(release).await
    }

    /// Takes all tasks from a service that is meant to run `release`; whether there were any.
    async fn empty(&self, kind: Kind, release: &ReleaseId, token: u64) -> Result<bool, Trouble> {
        for _ in 0..ATTEMPTS {
            let Some(found) = self.found_under(kind, token).await? else { return Ok(false) };
            if found.release().as_ref() != Some(release) {
                return Ok(false);
            }
            match self.put(&found, with_replicas(found.spec.clone(), 0, token)).await {
                Ok(()) => return Ok(true),
                Err(EngineError::OutOfSequence { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(EngineError::OutOfSequence { what: "take the tasks from a service" }.into())
    }

    async fn end_candidate(&self, release: &ReleaseId, token: u64) -> Result<bool, Trouble> {
        let was_there = self.empty(Kind::Candidate, release, token).await?;
        self.until_candidate_is_gone(release).await?;
        Ok(was_there)
    }
}

/// A release as the engine keeps it.
struct Content {
    record: ReleaseRecord,
    secrets: std::collections::BTreeMap<String, String>,
}

impl Content {
    fn wanted(
        &self,
        names: &Names,
        kind: Kind,
        token: u64,
        previous: Option<ReleaseId>,
        pace: Pace,
    ) -> Result<bollard::models::ServiceSpec, Failure> {
        let previous = previous.map(String::from);
        Wanted { kind, record: &self.record, token, previous, pace }.spec(names, &self.secrets)
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

    async fn await_ready(&self, release: &ReleaseId, _context: &EffectContext<'_>) -> EffectOutcome {
        match self.until_ready(release).await {
            Ok(took) => done(format!("{release} is ready after {:.1} s", took.as_secs_f64())),
            Err(trouble) => trouble.into_outcome(),
        }
    }

    async fn shift(&self, to: &ReleaseId, context: &EffectContext<'_>) -> EffectOutcome {
        let shifted = async {
            self.roll_out(to, Pace::Careful, context).await?;
            self.end_candidate(to, context.token).await
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
                self.empty(Kind::Backend, from, context.token).await?;
                self.end_candidate(from, context.token).await?;
                return Ok("nothing serves".to_owned());
            };
            self.roll_out(to, Pace::Swift, context).await?;
            self.end_candidate(from, context.token).await?;
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
