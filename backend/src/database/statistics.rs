//! Durations of queries over the last minutes, in buckets that grow by an eighth of a doubling
//! (error below 9 %). Lock-free for the writer; knows nothing of requests.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Length of one of the two windows that are looked at together.
const WINDOW: Duration = Duration::from_secs(300);
/// Buckets per doubling.
const PER_DOUBLING: u64 = 8;
/// From 1 µs to 2^30 µs (18 min).
const BUCKETS: usize = 30 * PER_DOUBLING as usize;

/// Durations of the last five to ten minutes.
#[derive(Debug)]
pub(crate) struct Statistics {
    buckets: [Vec<AtomicU64>; 2],
    turn: Mutex<Turn>,
}

#[derive(Debug)]
struct Turn {
    since: Instant,
    current: usize,
}

impl Default for Statistics {
    fn default() -> Self {
        let window = || (0..BUCKETS).map(|_| AtomicU64::new(0)).collect();
        let turn = Turn { since: Instant::now(), current: 0 };
        Self { buckets: [window(), window()], turn: Mutex::new(turn) }
    }
}

impl Statistics {
    /// Adds one duration.
    pub(crate) fn record(&self, spent: Duration) {
        let current = self.current();
        self.buckets[current][bucket(spent)].fetch_add(1, Ordering::Relaxed);
    }

    /// The duration that `share` (0 to 1) of the queries did not exceed; none without queries.
    pub(crate) fn quantile(&self, share: f64) -> Option<Duration> {
        self.current();
        let counts: Vec<u64> = (0..BUCKETS).map(|index| self.count(index)).collect();
        let total: u64 = counts.iter().sum();
        let rank = (share * total as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        let found = counts.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        found.filter(|_| total > 0).map(upper_edge)
    }

    fn count(&self, index: usize) -> u64 {
        self.buckets.iter().map(|window| window[index].load(Ordering::Relaxed)).sum()
    }

    /// The window to write to, after turning it over when it is full.
    fn current(&self) -> usize {
        let mut turn = self.turn.lock().expect("nothing panics while it holds the lock");
        if turn.since.elapsed() >= WINDOW {
            turn.current = 1 - turn.current;
            turn.since = Instant::now();
            self.buckets[turn.current].iter().for_each(|bucket| bucket.store(0, Ordering::Relaxed));
        }
        turn.current
    }
}

fn bucket(spent: Duration) -> usize {
    let microseconds = spent.as_nanos().max(1_000) as f64 / 1_000.0;
    let index = (microseconds.log2() * PER_DOUBLING as f64).ceil() as usize;
    index.min(BUCKETS - 1)
}

fn upper_edge(index: usize) -> Duration {
    let microseconds = (index as f64 / PER_DOUBLING as f64).exp2();
    Duration::from_nanos((microseconds * 1_000.0) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_a_tenth() {
        let statistics = Statistics::default();
        for milliseconds in 1..=100 {
            statistics.record(Duration::from_millis(milliseconds));
        }
        let p95 = statistics.quantile(0.95).unwrap().as_secs_f64() * 1e3;
        assert!((94.9..105.0).contains(&p95), "{p95}");
        let p50 = statistics.quantile(0.5).unwrap().as_secs_f64() * 1e3;
        assert!((49.9..55.0).contains(&p50), "{p50}");
    }

    #[test]
    fn nothing_recorded_is_not_zero() {
        assert_eq!(Statistics::default().quantile(0.95), None);
    }

    #[test]
    fn absurd_durations_have_a_bucket() {
        let statistics = Statistics::default();
        statistics.record(Duration::ZERO);
        statistics.record(Duration::MAX);
        assert!(statistics.quantile(1.0).is_some());
    }
}
