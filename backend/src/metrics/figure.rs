//! Figures as numbers: counts, sums, and durations in buckets, with what can be said of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cells::BOUNDS;

/// How many, how much together, and for durations how they spread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// Facts.
    pub(crate) count: i64,
    /// Seconds, or hundredths of an amount.
    pub(crate) sum: i64,
    /// Durations up to 1, 5, 15, 30, 60 minutes, 4 h, 24 h, and longer.
    pub(crate) buckets: [i64; 8],
}

impl Figure {
    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        for (own, other) in self.buckets.iter_mut().zip(other.buckets) {
            *own += other;
        }
    }

    /// Durations that were measured: an assignment of a lead that had an owner before has none.
    pub(crate) fn measured(&self) -> i64 {
        self.buckets.iter().sum()
    }

    /// Mean of the durations in seconds.
    pub(crate) fn mean(&self) -> Option<f64> {
        let n = self.measured();
        (n > 0).then(|| self.sum as f64 / n as f64)
    }

    /// The duration in seconds that `share` of all do not exceed, as fine as the buckets are: linear inside one, its
    /// lower bound in the open last one.
    pub(crate) fn quantile(&self, share: f64) -> Option<f64> {
        let n = self.measured();
        if n == 0 {
            return None;
        }
        let wanted = share * n as f64;
        let (mut below, mut lower) = (0.0, 0.0);
        for (bucket, upper) in self.buckets.iter().zip(BOUNDS) {
            let here = *bucket as f64;
            if here > 0.0 && below + here >= wanted {
                return Some(lower + (upper as f64 - lower) * (wanted - below) / here);
            }
            below += here;
            lower = upper as f64;
        }
        Some(lower)
    }

    /// Durations of at most a day.
    pub(crate) fn within_a_day(&self) -> i64 {
        let [within @ .., _] = self.buckets;
        within.iter().sum()
    }
}

/// What is counted; the names are those of facts.
pub(crate) struct Metric;

impl Metric {
    pub(crate) const RESPONSE: &'static str = "response";
    pub(crate) const UNANSWERED: &'static str = "unanswered";
    pub(crate) const FIRST_RESPONSE: &'static str = "first_response";
    pub(crate) const FIRST_RESPONSE_OWN: &'static str = "first_response_own";
    pub(crate) const SILENCE: &'static str = "silence";
    pub(crate) const FOLLOWED_UP: &'static str = "followed_up";
    pub(crate) const ASSIGNED: &'static str = "assigned";
    pub(crate) const TAKEN_AWAY: &'static str = "taken_away";
    pub(crate) const LEAD: &'static str = "lead";
    pub(crate) const LEAD_CONTACTED: &'static str = "lead_contacted";
    pub(crate) const LEAD_WON: &'static str = "lead_won";
    pub(crate) const WON: &'static str = "won";
    pub(crate) const LOST: &'static str = "lost";
    pub(crate) const SENT: &'static str = "sent";
    pub(crate) const RECEIVED: &'static str = "received";
    /// Followed by the currency.
    pub(crate) const PIPELINE: &'static str = "pipeline_";
}

/// Figures of one vendedor, or of nobody, or of all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(super) by_metric: BTreeMap<String, Figure>,
    /// Days on which something was sent.
    pub(crate) active_days: i64,
    /// Conversations that are open now.
    pub(crate) open: i64,
    /// Of these, with a message since the start of the day six days ago.
    pub(crate) active: i64,
    /// Open conversations in which somebody waits now.
    pub(crate) waiting: i64,
}

impl Figures {
    /// One of them; zero when there is none.
    pub(crate) fn get(&self, metric: &str) -> Figure {
        self.by_metric.get(metric).copied().unwrap_or_default()
    }

    /// How many facts of `metric`.
    pub(crate) fn count(&self, metric: &str) -> i64 {
        self.get(metric).count
    }

    /// Open amounts by currency.
    pub(crate) fn pipeline(&self) -> impl Iterator<Item = (String, Figure)> + '_ {
        let currencies = self.by_metric.iter().filter(|(_, figure)| figure.count != 0);
        currencies.filter_map(|(metric, figure)| {
            Some((metric.strip_prefix(Metric::PIPELINE)?.to_uppercase(), *figure))
        })
    }

    /// Both together.
    pub(crate) fn add(&mut self, other: &Self) {
        for (metric, figure) in &other.by_metric {
            self.by_metric.entry(metric.clone()).or_default().add(figure);
        }
        self.active_days += other.active_days;
        self.open += other.open;
        self.active += other.active;
        self.waiting += other.waiting;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_as_fine_as_the_buckets() {
        let figure = Figure { count: 4, sum: 1000, buckets: [2, 2, 0, 0, 0, 0, 0, 0] };
        assert_eq!(figure.quantile(0.5), Some(60.0));
        assert_eq!(figure.quantile(0.75), Some(180.0));
        assert_eq!(figure.mean(), Some(250.0));
        assert_eq!(Figure::default().quantile(0.9), None);
        let late = Figure { count: 1, sum: 90_000, buckets: [0, 0, 0, 0, 0, 0, 0, 1] };
        assert_eq!(late.quantile(0.5), Some(86_400.0), "longer than a day is all that is known");
    }
}
