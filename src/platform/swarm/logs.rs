//! What the tasks of an environment log, from whatever node they run on: the last lines, and what comes. Each line begins with its
//! release.

use std::collections::BTreeSet;
use std::time::Duration;

use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::TryStreamExt;
use futures_util::stream::FuturesUnordered;
use phases::release::ReleaseId;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::SwarmPlatform;
use super::names::Kind;
use super::tasks::Seen;
use crate::docker::EngineError;

/// Lines of each task that are looked through for those that are wanted.
const LOOKED_THROUGH: usize = 10_000;
/// Tasks that are asked, the newest: an engine keeps five of each place.
const TASKS: usize = 40;
/// How often new tasks are looked for.
const PERIOD: Duration = Duration::from_millis(500);
/// Lines that wait for a reader that is slow.
const AHEAD: usize = 1_000;

/// A line, with what it is sorted by.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    /// RFC 3339 with nine decimals, as the engine writes it.
    at: String,
    text: String,
}

/// Lines as they come.
pub struct FollowedTasks {
    lines: mpsc::Receiver<Result<String, EngineError>>,
    _readers: JoinSet<()>,
}

impl FollowedTasks {
    /// The next line; none when the engine can be asked no more.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn next_line(&mut self) -> Option<Result<String, EngineError>> {
        self.lines.recv().await
    }
}

impl SwarmPlatform {
    /// The last `count` lines of all tasks, oldest first, each `<release> <line>`; and the tasks asked. With a filter: of those among the
    /// last [`LOOKED_THROUGH`] of each task that pass.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn last_log_lines(
        &self,
        count: usize,
        filter: Option<&str>,
    ) -> Result<(Vec<String>, BTreeSet<String>), EngineError> {
        let tasks = self.all_tasks().await?;
        let asked = tasks.iter().map(|task| task.id.clone()).collect();
        // A filter may leave out most of them; a log of weeks is not fetched for it.
        let tail = if filter.is_some() && count > 0 { count.max(LOOKED_THROUGH) } else { count }.to_string();
        let wanted = |line: &Line| filter.is_none_or(|text| line.text.contains(text));
        let questions: FuturesUnordered<_> =
            tasks.iter().map(|task| self.timed_lines(task, tail.clone())).collect();
        let read: Vec<Vec<Line>> = questions.try_collect().await?;
        let mut lines: Vec<Line> = read.into_iter().flatten().filter(wanted).collect();
        lines.sort();
        let first = lines.len().saturating_sub(count);
        Ok((lines.into_iter().skip(first).map(|line| line.text).collect(), asked))
    }

    async fn all_tasks(&self) -> Result<Vec<Seen>, EngineError> {
        let mut all = Vec::new();
        for kind in Kind::ALL {
            if let Some(service) = self.find(kind).await? {
                all.extend(self.tasks(&service).await?);
            }
        }
        all.sort_by_key(|task| std::cmp::Reverse(task.since));
        all.truncate(TASKS);
        Ok(all)
    }

    async fn timed_lines(&self, task: &Seen, tail: String) -> Result<Vec<Line>, EngineError> {
        let options =
            LogsOptionsBuilder::default().stdout(true).stderr(true).timestamps(true).tail(&tail).build();
        let id = task.id.clone();
        let read = self.options.engine.ask("read the log of a task", |client| async move {
            client.task_logs(&id, Some(options)).try_collect::<Vec<_>>().await
        });
        let pieces = match read.await {
            Ok(pieces) => pieces,
            // It never ran, or its node has forgotten it.
            Err(EngineError::NotFound { .. } | EngineError::Refused { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let bytes: Vec<u8> = pieces.into_iter().flat_map(|piece| piece.into_bytes().to_vec()).collect();
        Ok(String::from_utf8_lossy(&bytes).lines().map(|line| timed(&task.release, line)).collect())
    }

    /// Lines of all tasks from now on, of those that come later too; `known` have been read up to here.
    pub fn follow_log(&self, known: BTreeSet<String>) -> FollowedTasks {
        let (tell, lines) = mpsc::channel(AHEAD);
        let mut readers = JoinSet::new();
        let platform = self.clone();
        readers.spawn(async move { platform.follow(known, tell).await });
        FollowedTasks { lines, _readers: readers }
    }

    async fn follow(&self, known: BTreeSet<String>, tell: mpsc::Sender<Result<String, EngineError>>) {
        let (mut followed, mut readers) = (BTreeSet::new(), JoinSet::new());
        loop {
            let tasks = match self.all_tasks().await {
                Ok(tasks) => tasks,
                Err(error) => {
                    let _ = tell.send(Err(error)).await;
                    return;
                }
            };
            // One that is about to run has no log yet, and following it would end at once.
            for task in tasks.into_iter().filter(Seen::is_running) {
                if followed.insert(task.id.clone()) {
                    let tail = if known.contains(&task.id) { "0" } else { "all" };
                    let (platform, tell) = (self.clone(), tell.clone());
                    readers.spawn(async move { platform.follow_task(task, tail, tell).await });
                }
            }
            while readers.try_join_next().is_some() {}
            if tell.is_closed() {
                return;
            }
            sleep(PERIOD).await;
        }
    }

    /// Ends with the task, or with its reader.
    async fn follow_task(&self, task: Seen, tail: &str, tell: mpsc::Sender<Result<String, EngineError>>) {
        let options = LogsOptionsBuilder::default().follow(true).stdout(true).stderr(true).tail(tail).build();
        let id = task.id.clone();
        let opened = self.options.engine.ask("follow the log of a task", |client| async move {
            Ok(Box::pin(async_stream_of(client, id, options)))
        });
        let Ok(mut pieces) = opened.await else { return };
        let mut partial = Vec::new();
        while let Ok(Some(piece)) = pieces.try_next().await {
            partial.extend_from_slice(&piece);
            while let Some(end) = partial.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = partial.drain(..=end).collect();
                let text = String::from_utf8_lossy(&line);
                let text = format!("{} {}", task.release, text.trim_end_matches(['\n', '\r']));
                if tell.send(Ok(text)).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// The stream keeps its client.
fn async_stream_of(
    client: bollard::Docker,
    id: String,
    options: bollard::query_parameters::LogsOptions,
) -> impl futures_util::Stream<Item = Result<Vec<u8>, bollard::errors::Error>> + Send {
    client.task_logs(&id, Some(options)).map_ok(|piece| piece.into_bytes().to_vec())
}

/// `2026-11-24T12:03:01.000000000Z words` of a release.
fn timed(release: &ReleaseId, line: &str) -> Line {
    let (at, words) = line.split_once(' ').unwrap_or(("", line));
    Line { at: at.to_owned(), text: format!("{release} {words}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_sorted_by_the_engines_clock() {
        let (old, new): (ReleaseId, ReleaseId) =
            ("0123456789ab.00000001".parse().unwrap(), "0123456789ab.00000002".parse().unwrap());
        let mut lines = [
            timed(&old, "2026-11-24T12:03:01.000000002Z third"),
            timed(&new, "2026-11-24T12:03:01.000000001Z second words"),
            timed(&old, "2026-11-24T12:03:00.900000000Z first"),
        ];
        lines.sort();
        let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "0123456789ab.00000001 first",
                "0123456789ab.00000002 second words",
                "0123456789ab.00000001 third"
            ]
        );
    }
}
