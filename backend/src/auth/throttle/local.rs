//! Failures counted in this process. Bounded in size.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Counter;

/// Most counters kept; ended ones are dropped before that, then the oldest.
const MOST: usize = 50_000;

/// Failures by counter, each with the begin of its window.
#[derive(Debug)]
pub(super) struct Local {
    window: Duration,
    counts: Mutex<HashMap<String, (u32, Instant)>>,
}

impl Local {
    pub(super) fn new(window: Duration) -> Self {
        Self { window, counts: Mutex::default() }
    }

    /// How long `counter` stays closed; none when it is open.
    pub(super) fn closed_for(&self, counter: &Counter) -> Option<Duration> {
        let counts = self.lock();
        let (failures, since) = counts.get(&counter.name)?;
        let left = self.window.checked_sub(since.elapsed())?;
        (*failures >= counter.limit).then_some(left)
    }

    pub(super) fn count(&self, counter: &Counter) {
        let mut counts = self.lock();
        self.make_room(&mut counts);
        let entry = counts.entry(counter.name.clone()).or_insert((0, Instant::now()));
        if entry.1.elapsed() >= self.window {
            *entry = (0, Instant::now());
        }
        entry.0 = entry.0.saturating_add(1);
    }

    pub(super) fn forget(&self, counter: &Counter) {
        self.lock().remove(&counter.name);
    }

    fn make_room(&self, counts: &mut HashMap<String, (u32, Instant)>) {
        if counts.len() < MOST {
            return;
        }
        counts.retain(|_, (_, since)| since.elapsed() < self.window);
        if counts.len() >= MOST
            && let Some(oldest) =
                counts.iter().min_by_key(|(_, (_, since))| *since).map(|(name, _)| name.clone())
        {
            counts.remove(&oldest);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (u32, Instant)>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
