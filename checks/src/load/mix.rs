//! Which request comes next: each route by its weight, spread evenly, the same in every run.

/// A cycle of routes that repeats.
#[derive(Debug, Clone)]
pub(crate) struct Mix {
    cycle: Vec<usize>,
}

impl Mix {
    /// Routes by `weights`; at least one must be above 0.
    ///
    /// Source: nginx's smooth weighted round robin: each step every route gains its weight, the one
    /// with most is taken and pays the sum.
    pub(crate) fn new(weights: &[u64]) -> Self {
        let divisor = weights.iter().copied().fold(0, gcd).max(1);
        let weights: Vec<i64> =
            weights.iter().map(|weight| i64::try_from(weight / divisor).unwrap_or(i64::MAX)).collect();
        let total: i64 = weights.iter().sum();
        let mut credit = vec![0_i64; weights.len()];
        let cycle = (0..total).map(|_| {
            for (credit, weight) in credit.iter_mut().zip(&weights) {
                *credit += weight;
            }
            let best = (0..credit.len()).rev().max_by_key(|at| credit[*at]).expect("a mix has routes");
            credit[best] -= total;
            best
        });
        Self { cycle: cycle.collect() }
    }

    /// The route of request `index`.
    pub(crate) fn route(&self, index: u64) -> usize {
        let length = self.cycle.len() as u64;
        self.cycle[usize::try_from(index % length).expect("below the length of a vector")]
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn heavy_routes_are_spread_between_light_ones() {
        let mix = Mix::new(&[4, 2, 2]);
        let order: Vec<usize> = (0..8).map(|index| mix.route(index)).collect();
        assert_eq!(order, [0, 1, 2, 0, 0, 1, 2, 0]);
    }

    proptest! {
        #[test]
        fn each_route_gets_exactly_its_weight(weights in proptest::collection::vec(0_u64..20, 1..6)) {
            let total: u64 = weights.iter().sum();
            prop_assume!(total > 0);
            let mix = Mix::new(&weights);
            let mut counted = vec![0; weights.len()];
            for index in 0..total {
                counted[mix.route(index)] += 1;
            }
            prop_assert_eq!(counted, weights);
        }
    }
}
