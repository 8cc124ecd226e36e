//! Which check runs when: all at once, each after those it depends on.

use std::collections::BTreeSet;
use std::time::Instant;

use chrono::Utc;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::kind::Attempt;
use crate::outcome::{CheckOutcome, Outcome, presentable};
use crate::poll::poll;
use crate::scene::Scene;
use crate::suite::Suite;

/// How many checks run at the same time.
const PARALLEL: usize = 16;

/// Is told of every check as it ends, in the order of ending.
pub type Observer<'a> = &'a (dyn Fn(&CheckOutcome) + Send + Sync);

/// Runs the `chosen` checks (indexes, closed under dependencies); outcomes in the order of the file.
pub(crate) async fn run(
    suite: &Suite,
    chosen: &BTreeSet<usize>,
    scene: &Scene<'_>,
    observer: Observer<'_>,
) -> Vec<CheckOutcome> {
    let mut ended: Vec<Option<CheckOutcome>> = vec![None; suite.checks.len()];
    let mut waiting: Vec<usize> = chosen.iter().copied().collect();
    let mut running = FuturesUnordered::new();
    loop {
        let (ready, rest): (Vec<usize>, Vec<usize>) = waiting
            .into_iter()
            .partition(|at| suite.checks[*at].after.iter().all(|before| ended[*before].is_some()));
        waiting = rest;
        for at in ready {
            let blocker = blocker(suite, at, &ended);
            if running.len() >= PARALLEL {
                waiting.push(at);
                continue;
            }
            running.push(async move { (at, run_one(suite, at, blocker, scene).await) });
        }
        let Some((at, outcome)) = running.next().await else { break };
        observer(&outcome);
        ended[at] = Some(outcome);
    }
    debug_assert!(waiting.is_empty(), "a suite has no circles");
    ended.into_iter().flatten().collect()
}

/// The checks in `wanted` and everything they wait for.
pub(crate) fn closure(suite: &Suite, wanted: impl IntoIterator<Item = usize>) -> BTreeSet<usize> {
    let mut closed = BTreeSet::new();
    let mut open: Vec<usize> = wanted.into_iter().collect();
    while let Some(at) = open.pop() {
        if closed.insert(at) {
            open.extend(&suite.checks[at].after);
        }
    }
    closed
}

/// Why a check cannot run: the first dependency that did not pass.
fn blocker(suite: &Suite, at: usize, ended: &[Option<CheckOutcome>]) -> Option<String> {
    let mut before = suite.checks[at].after.iter().filter_map(|before| ended[*before].as_ref());
    let blocker = before.find(|outcome| outcome.outcome != Outcome::Passed)?;
    Some(format!("`{}` {}", blocker.check, blocker.outcome.as_str()))
}

#[tracing::instrument(name = "check", skip_all, fields(check = suite.full_name(&suite.checks[at])))]
async fn run_one(suite: &Suite, at: usize, blocker: Option<String>, scene: &Scene<'_>) -> CheckOutcome {
    let check = &suite.checks[at];
    let started_at = Utc::now();
    let start = Instant::now();
    let (attempt, attempts) = match blocker {
        Some(reason) => (Attempt::Errored(format!("it waits for a check that did not pass: {reason}")), 0),
        None => {
            let polled = poll(check.probe.as_ref(), scene, check.until).await;
            (polled.attempt, polled.attempts)
        }
    };
    let duration = start.elapsed();
    let seen = Seen::of(attempt);
    let show = |text: String| presentable(&text, &scene.redactor);
    let outcome = CheckOutcome {
        check: suite.full_name(check),
        outcome: seen.outcome,
        expected: seen.expected.map(show),
        actual: seen.actual.map(show),
        owner: check.owner,
        severity: check.severity,
        started_at,
        duration,
        attempts,
        detail: (!seen.details.is_empty())
            .then(|| seen.details.into_iter().map(show).collect::<Vec<_>>().join("\n")),
    };
    tracing::debug!(outcome = outcome.outcome.as_str(), attempts, "check finished");
    outcome
}

/// An attempt as the parts of an outcome.
struct Seen {
    outcome: Outcome,
    expected: Option<String>,
    actual: Option<String>,
    details: Vec<String>,
}

impl Seen {
    fn of(attempt: Attempt) -> Self {
        match attempt {
            Attempt::Passed { notes } => {
                Self { outcome: Outcome::Passed, expected: None, actual: None, details: notes }
            }
            Attempt::Errored(reason) => Self {
                outcome: Outcome::Errored,
                expected: Some("the check to run".to_owned()),
                actual: Some(reason),
                details: Vec::new(),
            },
            Attempt::Failed(mismatches) => {
                let mut details: Vec<String> = mismatches.iter().filter_map(|m| m.note.clone()).collect();
                let mut mismatches = mismatches.into_iter();
                let first = mismatches.next();
                details.extend(mismatches.map(|m| format!("also expected {}, got {}", m.expected, m.actual)));
                let (expected, actual) = first.map(|first| (first.expected, first.actual)).unzip();
                Self { outcome: Outcome::Failed, expected, actual, details }
            }
        }
    }
}
