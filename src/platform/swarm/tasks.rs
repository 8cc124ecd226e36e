//! Tasks: what really runs of a service, how each of them is, and the last lines they logged.

use bollard::container::LogOutput;
use bollard::models::{Task, TaskState};
use bollard::query_parameters::{ListTasksOptionsBuilder, LogsOptionsBuilder};
use chrono::{DateTime, SecondsFormat, Utc};
use futures_util::TryStreamExt;
use phases::release::ReleaseId;

use super::SwarmPlatform;
use super::names::{Kind, RELEASE};
use super::service::Found;
use crate::docker::EngineError;

/// One task at one moment.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) id: String,
    pub(super) release: ReleaseId,
    pub(super) state: TaskState,
    /// The engine means it to go on.
    pub(super) is_wanted: bool,
    /// Since when it is in this state.
    pub(super) since: DateTime<Utc>,
    /// Why it ended, as the engine says it.
    pub(super) error: Option<String>,
    pub(super) exit_code: Option<i64>,
}

impl Seen {
    /// It is there, answering or about to.
    pub(super) fn is_alive(&self) -> bool {
        use TaskState::{ACCEPTED, ALLOCATED, ASSIGNED, NEW, PENDING, PREPARING, READY, RUNNING, STARTING};
        match self.state {
            // The engine says so only of one whose health check has passed.
            RUNNING => true,
            NEW | ALLOCATED | PENDING | ASSIGNED | ACCEPTED | PREPARING | READY | STARTING => self.is_wanted,
            _ => false,
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.state == TaskState::RUNNING
    }

    /// It was to go on and did not.
    pub(super) fn has_failed(&self) -> bool {
        matches!(self.state, TaskState::FAILED | TaskState::REJECTED | TaskState::ORPHANED)
            || (self.state == TaskState::COMPLETE && self.is_wanted)
    }

    /// The engine made its container and could not start it. Source: the engine's words.
    pub(super) fn was_not_started(&self) -> bool {
        let not_started = |error: &String| error.starts_with("starting container failed");
        self.has_failed() && self.error.as_ref().is_some_and(not_started)
    }

    /// RFC 3339.
    pub(super) fn since(&self) -> String {
        self.since.to_rfc3339_opts(SecondsFormat::Millis, true)
    }

    /// `task: non-zero exit (1)`, or what is known.
    pub(super) fn end(&self) -> String {
        match (&self.error, self.exit_code) {
            (Some(error), _) => error.clone(),
            (None, Some(code)) => format!("exited with code {code}"),
            (None, None) => format!("is {}", self.state),
        }
    }
}

impl SwarmPlatform {
    /// All tasks of a service the engine remembers, the newest first.
    pub(super) async fn tasks(&self, service: &Found) -> Result<Vec<Seen>, EngineError> {
        let filter = std::collections::HashMap::from([("service".to_owned(), vec![service.id.clone()])]);
        let options = ListTasksOptionsBuilder::default().filters(&filter).build();
        let found = self
            .options
            .engine
            .ask("list its tasks", |client| async move { client.list_tasks(Some(options)).await })
            .await?;
        let mut tasks: Vec<Seen> = found.into_iter().filter_map(seen).collect();
        tasks.sort_by_key(|task| std::cmp::Reverse(task.since));
        Ok(tasks)
    }

    /// The last lines of a task. What cannot be had is none: the lines explain something else.
    pub(super) async fn last_lines_of_task(&self, task: &str, count: usize) -> Vec<String> {
        let options =
            LogsOptionsBuilder::default().stdout(true).stderr(true).tail(&count.to_string()).build();
        let read = self.options.engine.ask("read the log of a task", |client| async move {
            client.task_logs(task, Some(options)).try_collect::<Vec<LogOutput>>().await
        });
        let pieces = read.await.unwrap_or_default();
        let bytes: Vec<u8> = pieces.into_iter().flat_map(|piece| piece.into_bytes().to_vec()).collect();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(count)..].iter().map(|line| (*line).to_owned()).collect()
    }

    /// The last lines of a release: as candidate, else as what serves.
    pub async fn last_lines_of(&self, release: &ReleaseId, count: usize) -> Vec<String> {
        for kind in [Kind::Candidate, Kind::Backend] {
            let Ok(Some(service)) = self.find(kind).await else { continue };
            let tasks = self.tasks(&service).await.unwrap_or_default();
            if let Some(task) = tasks.iter().find(|task| task.release == *release) {
                return self.last_lines_of_task(&task.id, count).await;
            }
        }
        Vec::new()
    }
}

fn seen(task: Task) -> Option<Seen> {
    let container = task.spec?.container_spec?;
    let release = container.labels?.get(RELEASE)?.parse().ok()?;
    let status = task.status?;
    Some(Seen {
        id: task.id?,
        release,
        state: status.state?,
        is_wanted: task.desired_state.is_some_and(|wanted| {
            matches!(wanted, TaskState::RUNNING | TaskState::READY | TaskState::ACCEPTED)
        }),
        since: status.timestamp?,
        error: status.err.filter(|error| !error.is_empty()),
        exit_code: status.container_status.and_then(|container| container.exit_code),
    })
}
