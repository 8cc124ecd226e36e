//! Percentiles of latencies. Knows no client and no clock.

use serde::Serialize;

use super::histogram::Latencies;

/// How latencies are distributed. Units: milliseconds; `null` where there are no samples.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Distribution {
    /// How many were measured.
    pub samples: u64,
    pub mean_ms: Option<f64>,
    pub min_ms: Option<f64>,
    pub p50_ms: Option<f64>,
    pub p90_ms: Option<f64>,
    pub p95_ms: Option<f64>,
    pub p99_ms: Option<f64>,
    pub p99_9_ms: Option<f64>,
    pub p99_99_ms: Option<f64>,
    pub max_ms: Option<f64>,
    /// Microseconds, for questions that were not asked above.
    #[serde(skip)]
    histogram: Latencies,
}

impl Distribution {
    pub(crate) fn of(latencies: &Latencies) -> Self {
        let at =
            |quantile: f64| (!latencies.is_empty()).then(|| millis(latencies.value_at_quantile(quantile)));
        Self {
            samples: latencies.len(),
            mean_ms: (!latencies.is_empty()).then(|| rounded(latencies.mean() / 1e3)),
            min_ms: (!latencies.is_empty()).then(|| millis(latencies.min())),
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p95_ms: at(0.95),
            p99_ms: at(0.99),
            p99_9_ms: at(0.999),
            p99_99_ms: at(0.9999),
            max_ms: (!latencies.is_empty()).then(|| millis(latencies.max())),
            histogram: latencies.clone(),
        }
    }

    /// The value that `quantile` (0 to 1) of the samples do not exceed, in milliseconds.
    #[must_use]
    pub fn quantile_ms(&self, quantile: f64) -> Option<f64> {
        (self.samples > 0).then(|| millis(self.histogram.value_at_quantile(quantile)))
    }

    /// The same when `failures` more never came to a right answer: they count as slower than any.
    ///
    /// `None` when the quantile falls among the failures, or there is nothing at all.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
    pub fn quantile_with_failures_ms(&self, quantile: f64, failures: u64) -> Option<f64> {
        let all = (self.samples + failures) as f64;
        let among_right = quantile * all / self.samples as f64;
        (self.samples > 0 && among_right <= 1.0)
            .then(|| millis(self.histogram.value_at_quantile(among_right)))
    }
}

#[expect(clippy::cast_precision_loss, reason = "latencies stay below 2^53 microseconds")]
fn millis(micros: u64) -> f64 {
    micros as f64 / 1e3
}

fn rounded(ms: f64) -> f64 {
    (ms * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::histogram::latencies;

    fn distribution(micros: impl IntoIterator<Item = u64>) -> Distribution {
        let mut all = latencies();
        for value in micros {
            all.record(value).unwrap();
        }
        Distribution::of(&all)
    }

    #[test]
    fn nothing_measured_is_nothing_and_not_zero() {
        let none = distribution([]);
        assert_eq!((none.samples, none.p95_ms, none.max_ms, none.mean_ms), (0, None, None, None));
        assert_eq!(none.quantile_ms(0.5), None);
        assert_eq!(none.quantile_with_failures_ms(0.95, 10), None);
    }

    #[test]
    fn failures_count_as_slower_than_any_answer() {
        let hundred = distribution((1..=100).map(|n| n * 1000));
        assert_eq!(hundred.p95_ms.map(f64::round), Some(95.0));
        assert_eq!(hundred.quantile_with_failures_ms(0.95, 0).map(f64::round), Some(95.0));
        // 95 % of 104 is 98.8: the 99th right answer.
        assert_eq!(hundred.quantile_with_failures_ms(0.95, 4).map(f64::round), Some(99.0));
        assert_eq!(hundred.quantile_with_failures_ms(0.95, 6), None);
    }
}
