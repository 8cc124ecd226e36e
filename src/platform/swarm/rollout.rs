//! Waiting: for the engine to finish what it was told, and for the public address to be answered by the right release. The
//! engine may say "in progress" for ever, so what does not move for long is taken for stuck.

use std::time::Duration;

use bollard::models::ServiceUpdateStatusStateEnum as Update;
use phases::engine::effects::{EffectContext, Progress};
use phases::engine::failure::{Failure, FailureClass};
use phases::release::ReleaseId;
use tokio::time::{Instant, sleep};

use super::SwarmPlatform;
use super::door::Whom;
use super::names::Kind;
use super::service::Found;
use super::spec::Pace;
use super::tasks::Seen;
use super::trouble::Trouble;

/// How often the engine is looked at.
pub(super) const PERIOD: Duration = Duration::from_millis(100);
/// Log lines told of what failed.
const LINES_TOLD: usize = 20;
/// On top of what a release may take to get ready: the engine's own watching and stopping.
pub(super) const ENGINE_TIME: Duration = Duration::from_secs(60);
/// For so long every answer has to come from the right release: longer than the edge, which looks tasks up each second, may still
/// know one that the engine has just taken away. At random it would have asked that one by then.
const SURE: Duration = Duration::from_millis(1_500);
/// How often the public address is asked meanwhile, each time over a new connection.
const ASKING: Duration = Duration::from_millis(25);

impl SwarmPlatform {
    /// Waits until `release` runs with all its tasks and nothing else is meant to.
    pub(super) async fn until_rolled_out(
        &self,
        release: &ReleaseId,
        pace: Pace,
        context: &EffectContext<'_>,
    ) -> Result<(), Trouble> {
        let mut patience = self.options.ready_deadline + ENGINE_TIME;
        // What counts is tasks that run, not tasks that come and go: one that crashes again and again moves for ever.
        let (mut best, mut moved) = (-1, Instant::now());
        loop {
            let Some(service) = self.find(Kind::Backend).await? else {
                return Err(gone(release).into());
            };
            // What is replaced may take as long to end as its grace allows.
            patience = patience.max(self.options.ready_deadline + ENGINE_TIME + service.grace());
            let tasks = self.tasks(&service).await?;
            let is_over = !service.is_being_changed();
            let is_meant = service.release().as_ref() == Some(release);
            if !is_meant && (is_over || service.update == Some(Update::UPDATING)) {
                return Err(self.refused(&service, &tasks, release).await.into());
            }
            let running = running(&tasks, release);
            // Of a way back the engine has no verdict to give: what is left of it is the end of the tasks that drain.
            let is_judged = is_over || pace == Pace::Swift;
            if is_judged && is_meant && running == service.replicas() && !others_wanted(&tasks, release) {
                return Ok(());
            }
            if running > best {
                let told = format!("{running} of {} tasks run {release}", service.replicas());
                (context.progress)(Progress::Message(told));
                (best, moved) = (running, Instant::now());
            } else if moved.elapsed() > patience {
                return Err(Trouble::InDoubt(self.stuck(&tasks, release, patience).await));
            }
            sleep(PERIOD).await;
        }
    }

    /// The service is meant to run something else by now: the engine went back, or somebody else has changed it. What the engine
    /// says of a change stays until the next one, so it means nothing of a service that is as it should be.
    async fn refused(&self, service: &Found, tasks: &[Seen], release: &ReleaseId) -> Failure {
        let gave_up = matches!(
            service.update,
            Some(Update::PAUSED | Update::ROLLBACK_PAUSED | Update::ROLLBACK_COMPLETED)
        );
        if !gave_up {
            let meant = service.release().map_or_else(|| "nothing".to_owned(), |other| other.to_string());
            let message =
                format!("somebody else has made the service run {meant} while {release} was rolled out");
            return Failure::new(FailureClass::Failed, message).hint("see who changes it, then deploy again");
        }
        let said = service.update_message.clone().unwrap_or_default();
        let failed = tasks.iter().find(|task| task.release == *release && task.has_failed());
        let why = failed.map_or(said, Seen::end);
        let message = format!("the engine did not roll {release} out: {why}");
        Failure::new(FailureClass::ReleaseFailed, message).detail(self.words_of(failed).await)
    }

    async fn stuck(&self, tasks: &[Seen], release: &ReleaseId, patience: Duration) -> Failure {
        let newest = tasks.iter().find(|task| task.release == *release);
        let state =
            newest.map_or_else(|| "it has no task".to_owned(), |task| format!("a task {}", task.end()));
        let message =
            format!("nothing has moved for {} s while {release} was rolled out: {state}", patience.as_secs());
        Failure::new(FailureClass::Failed, message)
            .hint("see whether its nodes are up and have room: `docker node ls`")
            .detail(self.words_of(newest).await)
    }

    /// The last lines of a task.
    pub(super) async fn words_of(&self, task: Option<&Seen>) -> Vec<String> {
        match task {
            Some(task) => self.last_lines_of_task(&task.id, LINES_TOLD).await,
            None => Vec::new(),
        }
    }

    /// Waits until the public address is answered by `release`, and by nobody else.
    pub(super) async fn until_answered_by(&self, release: &ReleaseId) -> Result<(), Trouble> {
        let begun = Instant::now();
        let mut since = None;
        loop {
            let seen = match self.options.door.ask("/health/live", Whom::Serving).await {
                Ok(answer) if answer.release.as_ref() == Some(release) => {
                    if since.get_or_insert_with(Instant::now).elapsed() >= SURE {
                        return Ok(());
                    }
                    sleep(ASKING).await;
                    continue;
                }
                Ok(answer) => match answer.release {
                    Some(other) => format!("{other} answered"),
                    None => format!("the edge answered {}", answer.status),
                },
                Err(error) => crate::error::chain(&error),
            };
            since = None;
            if begun.elapsed() > ENGINE_TIME {
                let message = format!(
                    "the public address is not answered by {release} alone after {} s: {seen}",
                    ENGINE_TIME.as_secs()
                );
                let failure = Failure::new(FailureClass::Failed, message).hint("look at the edge's log");
                return Err(Trouble::InDoubt(failure));
            }
            sleep(PERIOD).await;
        }
    }

    /// Waits until there is a task of `release` that was not there `before`: an engine makes one some time after it has agreed to.
    pub(super) async fn until_begun(
        &self,
        service: &Found,
        release: &ReleaseId,
        before: &[Seen],
    ) -> Result<(), Trouble> {
        let begun = Instant::now();
        let is_new = |task: &Seen| task.release == *release && before.iter().all(|known| known.id != task.id);
        while !self.tasks(service).await?.iter().any(is_new) {
            if begun.elapsed() > ENGINE_TIME {
                let message =
                    format!("the engine made no task of {release} within {} s", ENGINE_TIME.as_secs());
                let hint = "see whether a node takes tasks: `docker node ls`";
                return Err(Trouble::InDoubt(Failure::new(FailureClass::Failed, message).hint(hint)));
            }
            sleep(PERIOD).await;
        }
        Ok(())
    }

    /// Waits until no task of a service is there any more, or none of `release`.
    pub(super) async fn until_ended(&self, kind: Kind, release: Option<&ReleaseId>) -> Result<(), Trouble> {
        let begun = Instant::now();
        let is_asked = |task: &&Seen| release.is_none_or(|release| task.release == *release);
        loop {
            let Some(service) = self.find(kind).await? else { return Ok(()) };
            let tasks = self.tasks(&service).await?;
            let Some(left) = tasks.iter().filter(is_asked).find(|task| task.is_alive()) else {
                return Ok(());
            };
            let patience = service.grace() + ENGINE_TIME;
            if begun.elapsed() > patience {
                let (who, seconds) = (&left.release, patience.as_secs());
                let message = format!("a task of {who} goes on running after {seconds} s");
                let hint = "see whether its node is up: `docker node ls`";
                return Err(Trouble::InDoubt(Failure::new(FailureClass::Failed, message).hint(hint)));
            }
            sleep(PERIOD).await;
        }
    }
}

pub(super) fn running(tasks: &[Seen], release: &ReleaseId) -> i64 {
    let ours = |task: &&Seen| task.release == *release && task.is_wanted && task.is_running();
    i64::try_from(tasks.iter().filter(ours).count()).unwrap_or(i64::MAX)
}

pub(super) fn others_wanted(tasks: &[Seen], release: &ReleaseId) -> bool {
    tasks.iter().any(|task| task.release != *release && task.is_wanted && task.is_alive())
}

fn gone(release: &ReleaseId) -> Failure {
    Failure::new(FailureClass::Failed, format!("the service that {release} was rolled out to is gone"))
        .hint("see who removes services of this environment, then deploy again")
}
