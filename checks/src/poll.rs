//! Asking again until a condition holds. The time that took is the check's duration, which is how
//! "a notification arrives within 5 s" is measured.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use crate::kind::{Attempt, Mismatch, Probe};
use crate::scene::Scene;
use crate::strict::Table;

/// `until = { deadline_ms = 5000, every_ms = 100 }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Until {
    deadline: Duration,
    every: Duration,
}

impl Until {
    pub(crate) fn read(mut table: Table<'_>) -> Option<Self> {
        for key in ["deadline_ms", "every_ms"] {
            if !table.has(key) {
                table.missing(key);
            }
        }
        let deadline = table.whole("deadline_ms", 1..=3_600_000);
        let every = table.whole("every_ms", 1..=60_000);
        let (span, review) = (table.span(), table.review());
        table.finish();
        let (deadline, every) = (deadline?, every?);
        if every > deadline {
            review.note(span, "`every_ms` is longer than `deadline_ms`", None);
        }
        Some(Self { deadline: Duration::from_millis(deadline), every: Duration::from_millis(every) })
    }
}

/// The last attempt and how many there were.
pub(crate) struct Polled {
    pub(crate) attempt: Attempt,
    pub(crate) attempts: u32,
}

/// Tries `probe` once, or until it passes, cannot run, or its deadline is over.
pub(crate) async fn poll(probe: &dyn Probe, scene: &Scene<'_>, until: Option<Until>) -> Polled {
    let Some(until) = until else { return Polled { attempt: probe.attempt(scene).await, attempts: 1 } };
    let start = Instant::now();
    let deadline = start + until.deadline;
    let mut last = Attempt::Failed(vec![Mismatch {
        expected: format!("an answer within {} ms", until.deadline.as_millis()),
        actual: "none".to_owned(),
        note: None,
    }]);
    let mut attempts = 0;
    loop {
        attempts += 1;
        match timeout_at(deadline, probe.attempt(scene)).await {
            Ok(Attempt::Failed(mismatches)) => last = Attempt::Failed(mismatches),
            Ok(ended) => return Polled { attempt: ended, attempts },
            // Cut off by the deadline: what the attempt before it saw says more.
            Err(_) => return Polled { attempt: last, attempts },
        }
        // Due times lie on a grid, so that slow answers do not stretch the interval.
        let passed = start.elapsed().as_nanos() / until.every.as_nanos() + 1;
        let next = start + until.every.saturating_mul(u32::try_from(passed).unwrap_or(u32::MAX));
        if next >= deadline {
            return last_try(probe, scene, until, Polled { attempt: last, attempts }, deadline).await;
        }
        sleep_until(next).await;
    }
}

/// Asks once more at the deadline itself: what came true after the last due time came true in time.
async fn last_try(
    probe: &dyn Probe,
    scene: &Scene<'_>,
    until: Until,
    so_far: Polled,
    deadline: Instant,
) -> Polled {
    sleep_until(deadline).await;
    match timeout_at(deadline + until.every, probe.attempt(scene)).await {
        Ok(attempt) => Polled { attempt, attempts: so_far.attempts + 1 },
        Err(_) => Polled { attempt: so_far.attempt, attempts: so_far.attempts + 1 },
    }
}
