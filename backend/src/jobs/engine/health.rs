//! Whether the scheduler is well, judged from what the tables say. Asks nothing itself.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::Job;
use super::state::{Flag, TaskState};

/// Failures in a row that are an error, not bad luck.
const FAILURES: i32 = 3;

/// How the scheduler is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SchedulerStatus {
    /// Every task runs when it should.
    Healthy,
    /// Stopped or switched off on purpose.
    Idle,
    /// A task did not run when it should have.
    Late,
    /// A task keeps failing, or nothing is known because the database is away.
    Error,
}

impl SchedulerStatus {
    pub(crate) const fn is_well(self) -> bool {
        matches!(self, Self::Healthy | Self::Idle)
    }
}

/// A task and when it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct TaskHealth {
    /// Name of the task.
    pub(crate) id: &'static str,
    /// When it last succeeded, on any replica.
    pub(crate) last_success: Option<DateTime<Utc>>,
    /// When it is due next.
    pub(crate) next_run: Option<DateTime<Utc>>,
    /// Whether it should have run by now.
    pub(crate) late: bool,
}

/// What to judge by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) now: DateTime<Utc>,
    /// Since when this server could have run jobs: before that nothing of it is late.
    pub(crate) since: DateTime<Utc>,
    /// Whether this server runs jobs at all.
    pub(crate) enabled: bool,
}

/// The verdict over all tasks.
#[derive(Debug, Clone)]
pub(crate) struct SchedulerHealth {
    pub(crate) status: SchedulerStatus,
    pub(crate) running: bool,
    pub(crate) tasks: Vec<TaskHealth>,
}

impl SchedulerHealth {
    /// Judges `known` tasks of `jobs` under `flag`.
    pub(crate) fn judge<'a>(
        jobs: impl Iterator<Item = &'a dyn Job>,
        known: &[TaskState],
        flag: Flag,
        moment: Moment,
    ) -> Self {
        let running = flag.running && moment.enabled;
        let since = moment.since.max(flag.changed_at);
        let mut failing = false;
        let mut tasks = Vec::new();
        for job in jobs {
            let state = known.iter().find(|state| state.job == job.name());
            let late = running && is_late(job.interval(), state, since, moment.now);
            failing |= state.is_some_and(|state| state.dead || state.consecutive_failures >= FAILURES);
            tasks.push(TaskHealth {
                id: job.name(),
                last_success: state.and_then(|state| state.last_success),
                next_run: state.map(|state| state.next_run_at),
                late,
            });
        }
        let status = match () {
            () if !running => SchedulerStatus::Idle,
            () if failing => SchedulerStatus::Error,
            () if tasks.iter().any(|task| task.late) => SchedulerStatus::Late,
            () => SchedulerStatus::Healthy,
        };
        Self { status, running, tasks }
    }

    /// What is known while the database is away.
    pub(crate) fn unknown<'a>(jobs: impl Iterator<Item = &'a dyn Job>) -> Self {
        let task =
            |job: &dyn Job| TaskHealth { id: job.name(), last_success: None, next_run: None, late: false };
        Self { status: SchedulerStatus::Error, running: false, tasks: jobs.map(task).collect() }
    }
}

/// A task is late when nobody works on it a while after it was due, and somebody could have.
fn is_late(interval: Duration, state: Option<&TaskState>, since: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    let grace = (interval / 4).clamp(Duration::from_secs(60), Duration::from_secs(900));
    let grace = TimeDelta::from_std(grace).unwrap_or(TimeDelta::MAX);
    let due = match state {
        Some(state) if state.running => return false,
        Some(state) => state.waiting_since.map_or(state.next_run_at, |since| since.min(state.next_run_at)),
        None => since,
    };
    due.max(since) + grace < now
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
    }

    fn task(next_run_at: DateTime<Utc>) -> TaskState {
        TaskState {
            job: String::new(),
            next_run_at,
            consecutive_failures: 0,
            last_success: None,
            last_error: None,
            waiting_since: None,
            running: false,
            dead: false,
        }
    }

    fn status(known: &[TaskState], now: i64, since: i64) -> SchedulerStatus {
        let jobs = jobs::all();
        let moment = Moment { now: at(now), since: at(since), enabled: true };
        let flag = Flag { running: true, changed_at: at(0) };
        // The same of every job.
        let named = |state: &TaskState, job: &str| TaskState { job: job.to_owned(), ..state.clone() };
        let known: Vec<TaskState> =
            jobs.iter().flat_map(|job| known.iter().map(|state| named(state, job.name()))).collect();
        SchedulerHealth::judge(jobs.iter().map(AsRef::as_ref), &known, flag, moment).status
    }

    #[test]
    fn a_fresh_server_is_not_late_for_what_was_due_before_it() {
        assert_eq!(status(&[task(at(0))], 1_000, 999), SchedulerStatus::Healthy);
        assert_eq!(status(&[], 1_000, 999), SchedulerStatus::Healthy);
        assert_eq!(status(&[task(at(0))], 1_000, 900), SchedulerStatus::Late);
        assert_eq!(status(&[], 1_000, 900), SchedulerStatus::Late);
    }

    #[test]
    fn a_run_that_waits_too_long_is_late_and_one_at_work_is_not() {
        let waiting = TaskState { waiting_since: Some(at(100)), ..task(at(160)) };
        assert_eq!(status(std::slice::from_ref(&waiting), 140, 0), SchedulerStatus::Late);
        let running = TaskState { running: true, ..waiting };
        assert_eq!(status(&[running], 140, 0), SchedulerStatus::Healthy);
    }

    #[test]
    fn failures_in_a_row_are_an_error() {
        let failing = |consecutive_failures| TaskState { consecutive_failures, ..task(at(160)) };
        assert_eq!(status(&[failing(2)], 100, 0), SchedulerStatus::Healthy);
        assert_eq!(status(&[failing(3)], 100, 0), SchedulerStatus::Error);
        assert_eq!(status(&[TaskState { dead: true, ..task(at(160)) }], 100, 0), SchedulerStatus::Error);
    }

    #[test]
    fn stopped_or_switched_off_is_idle() {
        let jobs = jobs::all();
        for (running, enabled) in [(false, true), (true, false)] {
            let flag = Flag { running, changed_at: at(0) };
            let moment = Moment { now: at(9_999), since: at(0), enabled };
            let health = SchedulerHealth::judge(jobs.iter().map(AsRef::as_ref), &[task(at(0))], flag, moment);
            assert_eq!(health.status, SchedulerStatus::Idle);
            assert!(!health.running && health.tasks.iter().all(|task| !task.late));
        }
    }
}
