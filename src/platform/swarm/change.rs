//! How the services of an environment are changed: read under the token, written at the version that was read, and begun anew
//! when somebody else was quicker. A service that is missing is made without any task.

use std::collections::BTreeMap;

use bollard::models::ServiceSpec;
use futures_util::future::join;
use phases::engine::effects::EffectContext;
use phases::engine::failure::{Failure, FailureClass};
use phases::release::ReleaseId;

use super::SwarmPlatform;
use super::names::{Kind, Names};
use super::record::ReleaseRecord;
use super::service::Found;
use super::spec::{Pace, Wanted, with_replicas};
use super::trouble::Trouble;
use crate::docker::EngineError;

/// How often a change that somebody else was quicker with is begun anew.
const ATTEMPTS: usize = 10;

impl SwarmPlatform {
    /// What it takes to run a release, and the ids of the secrets the engine has.
    async fn content(&self, release: &ReleaseId) -> Result<Content, Trouble> {
        let Some(record) = self.record(release).await? else {
            let message = format!("release {release} is not on the engine");
            let hint = "deploy from a checkout of its commit: `crmctl history` names it";
            return Err(Failure::new(FailureClass::Failed, message).hint(hint).into());
        };
        Ok(Content { record, secrets: self.secret_ids().await? })
    }

    pub(super) async fn start_candidate(
        &self,
        release: &ReleaseId,
        token: u64,
    ) -> Result<&'static str, Trouble> {
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
                Ok(()) => {
                    let begun = self.until_begun(&found, release, &before).await;
                    return begun.map(|()| "started").map_err(Trouble::after_a_write);
                }
                Err(EngineError::OutOfSequence { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(EngineError::OutOfSequence { what: "start a candidate" }.into())
    }

    /// The service under this token; made without any task where there was none, and then to be looked for again.
    async fn service(&self, kind: Kind, wanted: &ServiceSpec, token: u64) -> Result<Option<Found>, Trouble> {
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
    pub(super) async fn roll_out(
        &self,
        to: &ReleaseId,
        pace: Pace,
        context: &EffectContext<'_>,
    ) -> Result<(), Trouble> {
        let token = context.token;
        let mut content = None;
        for _ in 0..ATTEMPTS {
            let found = self.found_under(Kind::Backend, token).await?;
            if found.as_ref().and_then(Found::release).as_ref() == Some(to) {
                return self.until_rolled_out(to, pace, context).await.map_err(Trouble::after_a_write);
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
                Ok(()) => {
                    let rolled_out = self.until_rolled_out(to, pace, context).await;
                    return rolled_out.map_err(Trouble::after_a_write);
                }
                Err(EngineError::OutOfSequence { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(EngineError::OutOfSequence { what: "roll a release out" }.into())
    }

    /// After a rollout: users are answered by `to` alone, and `candidate` has no task any more.
    pub(super) async fn settle(
        &self,
        to: &ReleaseId,
        candidate: &ReleaseId,
        token: u64,
    ) -> Result<(), Trouble> {
        let (answered, ended) = join(self.until_answered_by(to), self.end_candidate(candidate, token)).await;
        answered?;
        ended.map(drop)
    }

    /// Takes all tasks from a service that is meant to run something, or `release` alone; whether there were any.
    pub(super) async fn empty(
        &self,
        kind: Kind,
        release: Option<&ReleaseId>,
        token: u64,
    ) -> Result<bool, Trouble> {
        for _ in 0..ATTEMPTS {
            let Some(found) = self.found_under(kind, token).await? else { return Ok(false) };
            let is_meant = match release {
                Some(release) => found.release().as_ref() == Some(release),
                None => found.replicas() > 0,
            };
            if !is_meant {
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

    pub(super) async fn end_candidate(&self, release: &ReleaseId, token: u64) -> Result<bool, Trouble> {
        let was_there = self.empty(Kind::Candidate, Some(release), token).await?;
        self.until_ended(Kind::Candidate, Some(release)).await.map_err(Trouble::after_a_write)?;
        Ok(was_there)
    }
}

/// A release as the engine keeps it.
struct Content {
    record: ReleaseRecord,
    secrets: BTreeMap<String, String>,
}

impl Content {
    fn wanted(
        &self,
        names: &Names,
        kind: Kind,
        token: u64,
        previous: Option<ReleaseId>,
        pace: Pace,
    ) -> Result<ServiceSpec, Failure> {
        let previous = previous.map(String::from);
        Wanted { kind, record: &self.record, token, previous, pace }.spec(names, &self.secrets)
    }
}
