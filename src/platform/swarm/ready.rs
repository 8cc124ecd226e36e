//! Waiting for a candidate to say it is ready, the way users will come, or to show why not.

use std::time::Duration;

use phases::engine::failure::{Failure, FailureClass};
use phases::release::ReleaseId;
use reqwest::StatusCode;
use tokio::time::{Instant, sleep};

use super::SwarmPlatform;
use super::door::Whom;
use super::names::Kind;
use super::rollout::PERIOD;
use super::tasks::Seen;
use super::trouble::Trouble;

/// How often a candidate that the engine could not start is begun anew.
const BEGUN_ANEW: usize = 2;
/// What is asked.
const READINESS: &str = "/health/ready";
/// Characters of an answer told.
const BODY_TOLD: usize = 300;

impl SwarmPlatform {
    /// Waits until `release` is ready; gives how long that took.
    pub(super) async fn until_ready(&self, release: &ReleaseId, token: u64) -> Result<Duration, Trouble> {
        let begun = Instant::now();
        let mut begun_anew = 0;
        loop {
            let (whom, task) = self.newest_task(release).await?;
            let seen = match task {
                _ if whom == Whom::Candidate && self.another_is_on_trial(release).await? => {
                    "an earlier candidate is still ending".to_owned()
                }
                // The engine's own trouble (a mount that is busy) says nothing of a release.
                Some(task)
                    if whom == Whom::Candidate && task.was_not_started() && begun_anew < BEGUN_ANEW =>
                {
                    begun_anew += 1;
                    self.start_candidate(release, token).await?;
                    continue;
                }
                // A candidate is begun once; what serves is begun again by the engine.
                Some(task) if task.has_failed() || (whom == Whom::Candidate && !task.is_alive()) => {
                    return Err(self.ended(release, &task).await.into());
                }
                // Whoever goes back with no secrets at hand has the engine's word: it runs what its own check finds well.
                Some(task)
                    if task.is_running()
                        && whom == Whom::Candidate
                        && !self.options.door.reaches_candidates() =>
                {
                    return Ok(begun.elapsed());
                }
                Some(task) if task.is_running() => match self.answer_of(release, whom).await {
                    None => return Ok(begun.elapsed()),
                    Some(seen) => seen,
                },
                Some(task) => format!("its task {}", task.end()),
                None => "it has no task".to_owned(),
            };
            if begun.elapsed() >= self.options.ready_deadline {
                return Err(self.never_ready(release, &seen).await.into());
            }
            sleep(PERIOD).await;
        }
    }

    /// What it answers as long as it is not ready.
    async fn answer_of(&self, release: &ReleaseId, whom: Whom) -> Option<String> {
        let answer = match self.options.door.ask(READINESS, whom).await {
            Ok(answer) => answer,
            Err(error) => return Some(crate::error::chain(&error)),
        };
        let status = answer.status;
        if answer.release.as_ref() != Some(release) {
            let who = answer.release.map_or_else(|| "the edge".to_owned(), |other| other.to_string());
            return Some(format!("`{READINESS}` is answered {status} by {who}"));
        }
        let body: String = answer.body.chars().take(BODY_TOLD).collect();
        (status != StatusCode::OK).then(|| format!("`{READINESS}` answers {status}: {body}"))
    }

    /// A task of an earlier candidate is there yet, and would answer for this one.
    async fn another_is_on_trial(&self, release: &ReleaseId) -> Result<bool, Trouble> {
        let Some(service) = self.find(Kind::Candidate).await? else { return Ok(false) };
        let tasks = self.tasks(&service).await?;
        Ok(tasks.iter().any(|task| task.release != *release && task.is_alive()))
    }

    /// The newest task of a release: of the candidate, else of what serves.
    async fn newest_task(&self, release: &ReleaseId) -> Result<(Whom, Option<Seen>), Trouble> {
        for (kind, whom) in [(Kind::Candidate, Whom::Candidate), (Kind::Backend, Whom::Serving)] {
            let Some(service) = self.find(kind).await? else { continue };
            if service.release().as_ref() != Some(release) {
                continue;
            }
            let tasks = self.tasks(&service).await?;
            return Ok((whom, tasks.into_iter().find(|task| task.release == *release)));
        }
        let message = format!("release {release} does not run");
        Err(Failure::new(FailureClass::ReleaseFailed, message).hint("deploy it again").into())
    }

    async fn ended(&self, release: &ReleaseId, task: &Seen) -> Failure {
        let message = format!("release {release} ended before it was ready: {}", task.end());
        Failure::new(FailureClass::ReleaseFailed, message).detail(self.words_of(Some(task)).await)
    }

    async fn never_ready(&self, release: &ReleaseId, seen: &str) -> Failure {
        let seconds = self.options.ready_deadline.as_secs();
        let message = format!("release {release} was not ready after {seconds} s: {seen}");
        let lines = match self.newest_task(release).await {
            Ok((_, task)) => self.words_of(task.as_ref()).await,
            Err(_) => Vec::new(),
        };
        Failure::new(FailureClass::ReleaseFailed, message)
            .hint("see what it waits for, or allow more: `[backend] ready_deadline_seconds`")
            .detail(lines)
    }
}
