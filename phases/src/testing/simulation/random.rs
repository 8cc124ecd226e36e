//! Chance with a seed (SplitMix64): the same seed gives the same numbers on every machine and in every version,
//! which no library promises. Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.

use std::time::Duration;

/// A stream of numbers that a seed determines.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `limit`, which is not 0.
    pub(crate) const fn below(&mut self, limit: u64) -> u64 {
        ((self.next() as u128 * limit as u128) >> 64) as u64
    }

    /// True in `per_mille` of a thousand cases.
    pub(crate) const fn chance(&mut self, per_mille: u64) -> bool {
        per_mille > 0 && self.below(1000) < per_mille
    }

    /// One of several.
    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).expect("it is below a length")]
    }

    /// A time between two, to the microsecond.
    pub(crate) fn between(&mut self, low: Duration, high: Duration) -> Duration {
        let span = u64::try_from((high - low).as_micros()).expect("a simulated time is short");
        low + Duration::from_micros(self.below(span + 1))
    }

    /// A stream of its own.
    pub(crate) const fn fork(&mut self) -> Self {
        Self(self.next())
    }
}
