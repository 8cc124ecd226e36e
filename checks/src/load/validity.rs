//! Whether a load says something about its subject, or about the machine that made it.

use std::time::Duration;

use super::statistics::Distribution;

/// The least share of the rate that has to be reached.
const REACHED: f64 = 0.99;

/// The largest share of a core that a thread of the generator may use.
const BUSY: f64 = 0.90;

/// What the generator did.
pub(crate) struct Generator<'a> {
    /// Requests per second that were asked for.
    pub(crate) asked: f64,
    /// Requests per second that went to a connection.
    pub(crate) reached: f64,
    /// From the due time until it turned to a request.
    pub(crate) lateness: &'a Distribution,
    /// From then until a connection was free.
    pub(crate) queue: &'a Distribution,
    /// The most connections it could open.
    pub(crate) limit: usize,
    /// The share of a core that its busiest thread used.
    pub(crate) cpu: f64,
    /// How late a request may leave or wait for a connection.
    pub(crate) late: Duration,
}

/// Why the generator was the bottleneck; empty for a valid load.
pub(crate) fn reasons(generator: &Generator<'_>) -> Vec<String> {
    let Generator { asked, reached, limit, cpu, late, .. } = *generator;
    let too_late = |waited: &Distribution| waited.p95_ms.filter(|p95| *p95 > late.as_secs_f64() * 1e3);
    let mut reasons = Vec::new();
    if reached < asked * REACHED {
        reasons.push(format!("the generator sent {reached:.1} of {asked:.1} requests/s"));
    }
    if let Some(p95) = too_late(generator.lateness) {
        reasons.push(format!("one request in 20 left more than {p95:.1} ms late"));
    }
    if let Some(p95) = too_late(generator.queue) {
        reasons.push(format!(
            "all {limit} connections were busy: one request in 20 waited more than {p95:.1} ms for one"
        ));
    }
    if cpu > BUSY {
        reasons.push(format!("a thread of the generator used {:.0} % of a core", cpu * 100.0));
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::histogram::latencies;

    fn of(millis: u64) -> Distribution {
        let mut waits = latencies();
        waits.record_n(millis * 1000, 100).unwrap();
        Distribution::of(&waits)
    }

    fn found(reached: f64, lateness: u64, queue: u64, cpu: f64) -> Vec<String> {
        let (lateness, queue) = (&of(lateness), &of(queue));
        let late = Duration::from_millis(25);
        reasons(&Generator { asked: 100.0, reached, lateness, queue, limit: 50, cpu, late })
    }

    #[test]
    fn a_slow_generator_makes_the_load_invalid() {
        assert!(found(99.95, 1, 1, 0.3).is_empty());
        assert_eq!(found(95.0, 1, 0, 0.3), ["the generator sent 95.0 of 100.0 requests/s"]);
        assert_eq!(found(100.0, 40, 0, 0.3).len(), 1);
        assert_eq!(found(100.0, 1, 0, 0.97), ["a thread of the generator used 97 % of a core"]);
        let queued = found(100.0, 1, 40, 0.3);
        assert!(queued.len() == 1 && queued[0].starts_with("all 50 connections were busy"), "{queued:?}");
    }
}
