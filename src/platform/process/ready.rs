//! Waiting for a release to say it is ready, or to show why not.

use std::time::Duration;

use phases::engine::effects::{EffectOutcome, Evidence};
use phases::engine::failure::{Failure, FailureClass};
use phases::engine::platform::Role;
use phases::release::ReleaseId;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::ProcessOptions;
use super::supervised::{Supervised, Unanswered};
use crate::supervisor::http::{Answered, get_private};
use crate::supervisor::logs::last_lines;
use crate::supervisor::state::StoredInstance;

/// What is asked.
const READINESS: &str = "/health/ready";
/// How often at first; the wait grows by a tenth each time, since who is not ready soon is not so for long.
const FIRST_PERIOD: Duration = Duration::from_millis(20);
/// How often at last.
const LAST_PERIOD: Duration = Duration::from_millis(500);
/// Longest single answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(1);
/// Log lines told.
const LINES_TOLD: usize = 20;
/// Log lines looked at for those.
const LINES_READ: usize = 1000;
/// Characters of a readiness answer told.
const BODY_TOLD: usize = 300;

pub(super) async fn await_ready(options: &ProcessOptions, release: &ReleaseId) -> EffectOutcome {
    let begun = Instant::now();
    let deadline = begun + options.ready_deadline;
    let mut seen = "it never answered".to_owned();
    let mut period = FIRST_PERIOD;
    loop {
        let instance = match found(options, release).await {
            Ok(Found::Alive(instance)) => instance,
            Ok(Found::Ended(failure)) => return EffectOutcome::NotDone(failure),
            Ok(Found::Ending) => {
                sleep(FIRST_PERIOD).await;
                continue;
            }
            Err(unanswered) => return unanswered.into_outcome(),
        };
        match ask(options, &instance).await {
            Ok(answer) if is_ready(&answer, release) => return ready(release, begun.elapsed()),
            Ok(answer) => seen = told(&answer),
            // Its socket is held open by the supervisor: silence says nothing new.
            Err(error) => tracing::debug!(%release, %error, "not ready yet"),
        }
        if Instant::now() >= deadline {
            return EffectOutcome::NotDone(never_ready(options, &instance, &seen));
        }
        sleep(period).await;
        period = (period + period / 10).min(LAST_PERIOD);
    }
}

/// What there is of the release that is waited for.
enum Found {
    Alive(StoredInstance),
    /// Over, and its supervisor is about to say how.
    Ending,
    Ended(Failure),
}

async fn found(options: &ProcessOptions, release: &ReleaseId) -> Result<Found, Unanswered> {
    let state = Supervised::new(options).read().await?;
    if let Some(instance) = state.usable(release) {
        return Ok(Found::Alive(instance.clone()));
    }
    if state.instances.iter().any(|found| found.release == *release && found.role != Role::Draining) {
        return Ok(Found::Ending);
    }
    let failure = match state.exits.iter().find(|exit| exit.release == *release) {
        Some(end) => {
            let message = format!("release {release} {} before it was ready", end.exit);
            Failure::new(FailureClass::ReleaseFailed, message)
                .hint(log_hint(options, release))
                .detail(end.lines.clone())
        }
        // Nobody saw it fail: it went down with the machine, or was taken down.
        None => {
            let name = options.directory.environment();
            Failure::new(FailureClass::Failed, format!("release {release} does not run"))
                .hint(format!("run `crmctl deploy {name}` or `crmctl rollback {name}`"))
        }
    };
    Ok(Found::Ended(failure))
}

async fn ask(options: &ProcessOptions, instance: &StoredInstance) -> Result<Answered, std::io::Error> {
    let sockets = options.directory.sockets().map_err(std::io::Error::other)?;
    get_private(&sockets.instance_socket(instance.number, "private"), READINESS, ANSWER_PATIENCE).await
}

fn is_ready(answer: &Answered, release: &ReleaseId) -> bool {
    answer.status == 200 && answer.release.as_deref() == Some(release.as_str())
}

fn ready(release: &ReleaseId, took: Duration) -> EffectOutcome {
    EffectOutcome::Done(Evidence {
        summary: format!("{release} ready after {} ms", took.as_millis()),
        facts: json!({ "ready_after_ms": u64::try_from(took.as_millis()).unwrap_or(u64::MAX) }),
        checks: Vec::new(),
    })
}

fn told(answer: &Answered) -> String {
    let body: String = answer.body.trim().chars().filter(|c| !c.is_control()).take(BODY_TOLD).collect();
    let who = answer.release.as_deref().unwrap_or("no release");
    format!("`{READINESS}` answers {} as {who}: {body}", answer.status)
}

fn never_ready(options: &ProcessOptions, instance: &StoredInstance, seen: &str) -> Failure {
    let release = &instance.release;
    let seconds = options.ready_deadline.as_secs_f64();
    let log = options.directory.logs().join(format!("{release}.log"));
    let message = format!("release {release} was not ready in {seconds} s: {seen}");
    Failure::new(FailureClass::ReleaseFailed, message)
        .hint(log_hint(options, release))
        .detail(own_words(last_lines(&log, instance.log_from, LINES_READ)))
}

/// The last lines that are not about our own asking, which a log of requests is full of.
fn own_words(mut lines: Vec<String>) -> Vec<String> {
    lines.retain(|line| !line.contains(READINESS));
    lines.split_off(lines.len().saturating_sub(LINES_TOLD))
}

fn log_hint(options: &ProcessOptions, release: &ReleaseId) -> String {
    format!("read `{}`", options.directory.logs().join(format!("{release}.log")).display())
}
