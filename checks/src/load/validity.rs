//! Whether a load says something about its subject, or about the machine that made it.

use std::time::Duration;

use super::statistics::Distribution;

/// A request that leaves this late was not sent as asked (95 of 100 have to be in time). It is a twentieth
/// of the runbook's 500 ms, and several turns of a busy scheduler: lateness only makes figures worse.
const LATE: Duration = Duration::from_millis(25);

/// The least share of the rate that has to be reached.
const REACHED: f64 = 0.99;

/// The largest share of a core that a thread of the generator may use.
const BUSY: f64 = 0.90;

/// Why the generator was the bottleneck; empty for a valid load.
pub(crate) fn reasons(asked: f64, reached: f64, lateness: &Distribution, cpu: f64) -> Vec<String> {
    let mut reasons = Vec::new();
    if reached < asked * REACHED {
        reasons.push(format!("the generator sent {reached:.1} of {asked:.1} requests/s"));
    }
    if let Some(p95) = lateness.p95_ms.filter(|p95| *p95 > LATE.as_secs_f64() * 1e3) {
        reasons.push(format!("one request in 20 left more than {p95:.1} ms late"));
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

    fn late(millis: u64) -> Distribution {
        let mut lateness = latencies();
        lateness.record_n(millis * 1000, 100).unwrap();
        Distribution::of(&lateness)
    }

    #[test]
    fn a_slow_generator_makes_the_load_invalid() {
        assert!(reasons(100.0, 99.95, &late(1), 0.3).is_empty());
        assert_eq!(reasons(100.0, 95.0, &late(1), 0.3), ["the generator sent 95.0 of 100.0 requests/s"]);
        assert_eq!(reasons(100.0, 100.0, &late(40), 0.3).len(), 1);
        assert_eq!(reasons(100.0, 100.0, &late(1), 0.97), ["a thread of the generator used 97 % of a core"]);
    }
}
