//! Waiting for the edge to run, or to show why not.

use std::collections::HashMap;
use std::time::Duration;

use bollard::models::{Task, TaskState};
use bollard::query_parameters::ListTasksOptionsBuilder;
use phases::engine::failure::{Failure, FailureClass};
use tokio::time::{Instant, sleep};

use super::super::SwarmPlatform;
use crate::docker::EngineError;
use crate::error::chain;

/// Longest wait for its first task: its image may have to be pulled.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often it is looked at.
const PERIOD: Duration = Duration::from_millis(200);
impl SwarmPlatform {
    /// Waits until the edge runs.
    ///
    /// # Errors
    /// It does not, with what the engine says of its last try.
    pub async fn until_edge_runs(&self) -> Result<(), Failure> {
        let begun = Instant::now();
        loop {
            let tasks = self.edge_tasks().await;
            let tasks = tasks
                .map_err(|error| Failure::new(FailureClass::Failed, chain(&error)).hint(error.hint()))?;
            let state = |task: &Task| task.status.as_ref().and_then(|status| status.state);
            if tasks.iter().any(|task| state(task) == Some(TaskState::RUNNING)) {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                let said = tasks
                    .iter()
                    .find_map(|task| task.status.as_ref()?.err.clone().filter(|error| !error.is_empty()));
                let said = said.unwrap_or_else(|| "the engine does not say why".to_owned());
                let message = format!("the edge does not run after {} s: {said}", PATIENCE.as_secs());
                let hint = format!("see `docker service ps {}`: its ports may be taken", self.names.edge());
                return Err(Failure::new(FailureClass::Failed, message).hint(hint));
            }
            sleep(PERIOD).await;
        }
    }

    async fn edge_tasks(&self) -> Result<Vec<Task>, EngineError> {
        let filter = HashMap::from([("service".to_owned(), vec![self.names.edge()])]);
        let options = ListTasksOptionsBuilder::default().filters(&filter).build();
        self.options
            .engine
            .ask("list its tasks", |client| async move { client.list_tasks(Some(options)).await })
            .await
    }
}
