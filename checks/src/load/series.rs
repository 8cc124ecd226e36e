//! How a load went, second by second (coarser when it is long, so that memory stays flat).

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::histogram::micros;

/// The most points a series has.
const POINTS: u64 = 600;

/// One interval of a load, by due times.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SeriesPoint {
    /// When it begins, in seconds after the start.
    pub second: u64,
    /// Requests due in it that were answered rightly.
    pub succeeded: u64,
    /// Requests due in it that failed.
    pub failed: u64,
    /// Half of the right answers came within this, in milliseconds; `null` without right answers.
    pub p50_ms: Option<f64>,
    /// 99 of 100 right answers came within this, in milliseconds.
    pub p99_ms: Option<f64>,
    /// The slowest right answer, in milliseconds.
    pub max_ms: Option<f64>,
}

#[derive(Debug, Clone)]
struct Interval {
    /// Microseconds; two digits are enough to draw a line.
    latencies: Histogram<u32>,
    failed: u64,
}

/// The intervals of a load.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    width: u64,
    intervals: Vec<Interval>,
}

impl Series {
    pub(crate) fn new(duration: Duration) -> Self {
        let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
        let width = seconds.div_ceil(POINTS).max(1);
        let empty = Interval { latencies: Histogram::new(2).expect("two digits are allowed"), failed: 0 };
        let count = usize::try_from(seconds.div_ceil(width)).expect("at most 600");
        Self { width, intervals: vec![empty; count.max(1)] }
    }

    fn interval(&mut self, due: Duration) -> &mut Interval {
        let last = self.intervals.len() - 1;
        let at = usize::try_from(due.as_secs() / self.width).unwrap_or(last);
        &mut self.intervals[at.min(last)]
    }

    pub(crate) fn succeeded(&mut self, due: Duration, response: Duration) {
        self.interval(due).latencies.record(micros(response)).expect("it grows up to a day");
    }

    pub(crate) fn failed(&mut self, due: Duration) {
        self.interval(due).failed += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (interval, other) in self.intervals.iter_mut().zip(&other.intervals) {
            interval.latencies.add(&other.latencies).expect("both resize themselves");
            interval.failed += other.failed;
        }
    }

    pub(crate) fn points(&self) -> Vec<SeriesPoint> {
        let points = self.intervals.iter().zip(0..).map(|(interval, at)| {
            let latencies = &interval.latencies;
            let some = |micros: u64| (!latencies.is_empty()).then(|| millis(micros));
            SeriesPoint {
                second: at * self.width,
                succeeded: latencies.len(),
                failed: interval.failed,
                p50_ms: some(latencies.value_at_quantile(0.5)),
                p99_ms: some(latencies.value_at_quantile(0.99)),
                max_ms: some(latencies.max()),
            }
        });
        points.collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "latencies stay below 2^53 microseconds")]
fn millis(micros: u64) -> f64 {
    micros as f64 / 1e3
}
