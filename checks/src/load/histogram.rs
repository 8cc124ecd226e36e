//! What one thread saw, and how what several saw becomes one. Recording takes no lock.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::failure::Cause;
use super::series::Series;
use super::server_timing::Spent;

/// Latencies in microseconds, three digits kept.
pub(crate) type Latencies = Histogram<u64>;

pub(crate) fn latencies() -> Latencies {
    Histogram::new(3).expect("three digits are allowed")
}

/// More releases than a rollout has: a subject that makes up names must not fill the memory.
const RELEASES: usize = 16;

/// The longest duration that is told apart, in microseconds: a day.
const LONGEST: u64 = 86_400_000_000;

pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).map_or(LONGEST, |micros| micros.min(LONGEST))
}

/// Keeps one duration.
pub(crate) fn keep(latencies: &mut Latencies, duration: Duration) {
    // Not `saturating_record`: it cuts at the present size instead of growing.
    latencies.record(micros(duration)).expect("it grows up to a day");
}

fn merge(into: &mut Latencies, other: &Latencies) {
    into.add(other).expect("both resize themselves");
}

/// What became of the requests of one route.
#[derive(Debug, Clone)]
pub(crate) struct RouteRecord {
    /// Right answers, from the due time.
    pub(crate) response: Latencies,
    /// Right answers, from the moment the request left.
    pub(crate) service: Latencies,
    /// Failures, from the due time.
    pub(crate) failed: Latencies,
    pub(crate) app: Latencies,
    pub(crate) database: Latencies,
    pub(crate) errors: BTreeMap<Cause, u64>,
}

impl RouteRecord {
    pub(crate) fn new() -> Self {
        Self {
            response: latencies(),
            service: latencies(),
            failed: latencies(),
            app: latencies(),
            database: latencies(),
            errors: BTreeMap::new(),
        }
    }

    pub(crate) fn succeeded(&mut self, response: Duration, service: Duration, spent: Spent) {
        keep(&mut self.response, response);
        keep(&mut self.service, service);
        for (latencies, ms) in [(&mut self.app, spent.app_ms), (&mut self.database, spent.db_ms)] {
            if let Some(ms) = ms {
                keep(latencies, Duration::try_from_secs_f64(ms / 1e3).unwrap_or(Duration::MAX));
            }
        }
    }

    pub(crate) fn failed(&mut self, response: Duration, cause: Cause) {
        keep(&mut self.failed, response);
        *self.errors.entry(cause).or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        merge(&mut self.response, &other.response);
        merge(&mut self.service, &other.service);
        merge(&mut self.failed, &other.failed);
        merge(&mut self.app, &other.app);
        merge(&mut self.database, &other.database);
        for (cause, count) in &other.errors {
            *self.errors.entry(*cause).or_default() += count;
        }
    }
}

/// Everything one thread saw.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) routes: Vec<RouteRecord>,
    pub(crate) series: Series,
    /// From the due time until the generator turned to the request.
    pub(crate) lateness: Latencies,
    /// From then until a connection was free for it, or nobody waited for it any more.
    pub(crate) queue: Latencies,
    /// Requests that went to a connection.
    pub(crate) sent: u64,
    /// Answers by the release that says it gave them.
    pub(crate) releases: BTreeMap<String, u64>,
    /// When the last request went to a connection, after the start.
    pub(crate) last_departure: Duration,
    pub(crate) opened: u64,
}

impl Record {
    pub(crate) fn new(routes: usize, series: Series) -> Self {
        Self {
            routes: (0..routes).map(|_| RouteRecord::new()).collect(),
            series,
            lateness: latencies(),
            queue: latencies(),
            sent: 0,
            releases: BTreeMap::new(),
            last_departure: Duration::ZERO,
            opened: 0,
        }
    }

    pub(crate) fn turned_to(&mut self, due: Duration, now: Duration) {
        keep(&mut self.lateness, now.saturating_sub(due));
    }

    /// The wait of a request that was `turned` to is over; `sent` or given up.
    pub(crate) fn queued(&mut self, turned: Duration, now: Duration, sent: bool) {
        keep(&mut self.queue, now.saturating_sub(turned));
        if sent {
            self.sent += 1;
            self.last_departure = self.last_departure.max(now);
        }
    }

    pub(crate) fn answered_by(&mut self, release: &[u8]) {
        let name = String::from_utf8_lossy(release);
        if let Some(count) = self.releases.get_mut(&*name) {
            *count += 1;
        } else {
            let name = if self.releases.len() < RELEASES { name.into_owned() } else { "others".to_owned() };
            *self.releases.entry(name).or_default() += 1;
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (route, other) in self.routes.iter_mut().zip(&other.routes) {
            route.add(other);
        }
        self.series.add(&other.series);
        merge(&mut self.lateness, &other.lateness);
        merge(&mut self.queue, &other.queue);
        self.sent += other.sent;
        for (release, count) in &other.releases {
            *self.releases.entry(release.clone()).or_default() += count;
        }
        self.last_departure = self.last_departure.max(other.last_departure);
        self.opened += other.opened;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(of: &[(u64, bool)]) -> RouteRecord {
        let mut record = RouteRecord::new();
        for (micros, right) in of {
            let duration = Duration::from_micros(*micros);
            if *right {
                let spent = Spent { app_ms: Some(1.0), db_ms: None };
                record.succeeded(duration, duration / 2, spent);
            } else {
                record.failed(duration, Cause::Status(500));
            }
        }
        record
    }

    proptest! {
        #[test]
        fn threads_merge_into_what_one_would_have_seen(
            requests in proptest::collection::vec((0_u64..10_000_000, any::<bool>()), 0..300),
            cut in 0_usize..300,
        ) {
            let cut = cut.min(requests.len());
            let whole = record(&requests);
            let mut merged = record(&requests[..cut]);
            merged.add(&record(&requests[cut..]));
            prop_assert_eq!(&merged.response, &whole.response);
            prop_assert_eq!(&merged.service, &whole.service);
            prop_assert_eq!(&merged.failed, &whole.failed);
            prop_assert_eq!(&merged.app, &whole.app);
            prop_assert_eq!(merged.errors, whole.errors);
        }

        #[test]
        fn percentiles_are_within_a_thousandth(mut micros in proptest::collection::vec(1_u64..10_000_000, 1..300)) {
            let mut latencies = latencies();
            for value in &micros {
                keep(&mut latencies, Duration::from_micros(*value));
            }
            micros.sort_unstable();
            let rank = (micros.len() as f64 * 0.95).ceil() as usize;
            let (exact, seen) = (micros[rank - 1], latencies.value_at_quantile(0.95));
            prop_assert!(seen.abs_diff(exact) as f64 <= exact as f64 * 0.001 + 1.0, "{seen} for {exact}");
        }
    }
}
