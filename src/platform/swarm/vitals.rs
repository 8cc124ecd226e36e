//! How the tasks of a release are: whether the public address is theirs, the memory they hold, and whether one died. Looks only.

use std::collections::HashMap;

use bollard::query_parameters::{ListContainersOptionsBuilder, StatsOptionsBuilder};
use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use phases::engine::effects::{Evidence, Probe};
use phases::engine::failure::{Failure, FailureClass};
use phases::engine::platform::PlatformUnreadable;
use phases::release::ReleaseId;

use super::SwarmPlatform;
use super::door::Whom;
use super::names::{Kind, RELEASE};
use super::rollout::{others_wanted, running};
use super::service::Found;
use crate::docker::EngineError;
use crate::error::chain;
use crate::platform::{Death, Resident};

/// Log lines told of what died.
const LAST_LINES: usize = 20;

impl SwarmPlatform {
    /// Whether every new connection to the public address is answered by `release`: the engine means it to, has no task of
    /// another one left, and it answers. Unknown when it is meant to and does not answer.
    pub async fn probe_serving(&self, release: &ReleaseId) -> Probe {
        match self.is_rolled_out(release).await {
            Ok(false) => return Probe::NotDone,
            Ok(true) => {}
            Err(error) => {
                let failure = Failure::new(FailureClass::Failed, chain(&error)).hint(error.hint());
                return Probe::Unknown(failure);
            }
        }
        let failed = |message: String| Probe::Unknown(Failure::new(FailureClass::Failed, message));
        match self.options.door.ask("/health/live", Whom::Serving).await {
            Ok(answer) if answer.release.as_ref() == Some(release) => {
                Probe::Done(Evidence { summary: format!("{release} answers"), ..Evidence::default() })
            }
            Ok(answer) => {
                let who =
                    answer.release.map_or_else(|| format!("the edge ({})", answer.status), String::from);
                failed(format!("{release} should answer on the public address, and {who} does"))
            }
            Err(error) => failed(format!("{release} should answer on the public address: {}", chain(&error))),
        }
    }

    /// Whether nothing is left to do of giving `release` the public address: it serves, and its candidate has ended.
    pub async fn probe_shifted(&self, release: &ReleaseId) -> Probe {
        match self.find(Kind::Candidate).await {
            Ok(Some(service)) if service.release().as_ref() == Some(release) => Probe::NotDone,
            Ok(_) => self.probe_serving(release).await,
            Err(error) => {
                Probe::Unknown(Failure::new(FailureClass::Failed, chain(&error)).hint(error.hint()))
            }
        }
    }

    async fn is_rolled_out(&self, release: &ReleaseId) -> Result<bool, EngineError> {
        let Some(service) = self.find(Kind::Backend).await? else { return Ok(false) };
        if service.release().as_ref() != Some(release) {
            return Ok(false);
        }
        // A rollout that is under way is waited for by whoever asks for it again; what still drains after a way back is none.
        let is_judged = !service.is_being_changed() || !service.goes_back_by_itself();
        let tasks = self.tasks(&service).await?;
        let all_run = running(&tasks, release) == service.replicas();
        Ok(is_judged && all_run && !others_wanted(&tasks, release))
    }

    /// The last time that a task of `release` ended by itself since then, be it that another took its place.
    ///
    /// # Errors
    /// The engine cannot be asked.
    pub async fn death_of(
        &self,
        release: &ReleaseId,
        since: DateTime<Utc>,
    ) -> Result<Option<Death>, PlatformUnreadable> {
        let unreadable = |error: EngineError| PlatformUnreadable { reason: chain(&error) };
        let Some(service) = self.find(Kind::Backend).await.map_err(unreadable)? else { return Ok(None) };
        let tasks = self.tasks(&service).await.map_err(unreadable)?;
        let ours = || tasks.iter().filter(|task| task.release == *release);
        if let Some(dead) = ours().find(|task| task.has_failed() && task.since >= since) {
            let what = format!("a task ended at {}: {}", dead.since(), dead.end());
            return Ok(Some(Death { what, last_words: self.last_lines_of_task(&dead.id, LAST_LINES).await }));
        }
        let is_meant = service.release().as_ref() == Some(release);
        let is_dead = is_meant && !ours().any(super::tasks::Seen::is_running);
        let what = "it is meant to serve and no task of it runs".to_owned();
        Ok(is_dead.then_some(Death { what, last_words: Vec::new() }))
    }

    /// The memory of the tasks of `release` on the engine's own node, as that node counts it without its page cache; none when it
    /// has none of them.
    pub async fn resident(&self, release: &ReleaseId) -> Option<Resident> {
        let mut labels = self.names.filter(Kind::Backend.word());
        labels.entry("label".to_owned()).or_default().push(format!("{RELEASE}={release}"));
        let mut containers = self.containers(labels).await.ok()?;
        containers.sort();
        let mut bytes = 0;
        for container in &containers {
            bytes += self.memory_of(container).await?;
        }
        (!containers.is_empty()).then(|| Resident { process: containers.join(" "), bytes })
    }

    async fn containers(&self, filter: HashMap<String, Vec<String>>) -> Result<Vec<String>, EngineError> {
        let options = ListContainersOptionsBuilder::default().filters(&filter).build();
        let found = self
            .options
            .engine
            .ask("list its containers", |client| async move { client.list_containers(Some(options)).await })
            .await?;
        Ok(found.into_iter().filter_map(|container| container.id).collect())
    }

    async fn memory_of(&self, container: &str) -> Option<u64> {
        let options = StatsOptionsBuilder::default().stream(false).one_shot(true).build();
        let asked = self.options.engine.ask("tell what a container uses", |client| async move {
            match client.stats(container, Some(options)).next().await {
                Some(answer) => answer.map(Some),
                None => Ok(None),
            }
        });
        let memory = asked.await.ok()??.memory_stats?;
        // Source: how the engine's own command line counts it, cgroup v1 and v2.
        let cache = memory.stats.as_ref().and_then(|stats| {
            stats.get("total_inactive_file").or_else(|| stats.get("inactive_file")).copied()
        });
        Some(memory.usage?.saturating_sub(cache.unwrap_or(0)))
    }
}

impl Found {
    /// The engine is at work on its last change, or on taking it back.
    pub(super) fn is_being_changed(&self) -> bool {
        use bollard::models::ServiceUpdateStatusStateEnum::{ROLLBACK_STARTED, UPDATING};
        matches!(self.update, Some(UPDATING | ROLLBACK_STARTED))
    }

    /// The engine takes its last change back when a task of it is sick.
    pub(super) fn goes_back_by_itself(&self) -> bool {
        use bollard::models::ServiceSpecUpdateConfigFailureActionEnum::ROLLBACK;
        let action = self.spec.update_config.as_ref().and_then(|update| update.failure_action);
        action == Some(ROLLBACK)
    }
}
