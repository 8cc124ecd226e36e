//! `least_open`: who has the fewest people in work; of several, who got nothing for the longest time.

use super::{Pick, Strategy};
use crate::assignment::candidate::Candidate;
use crate::assignment::work::Work;

/// By load.
pub(super) struct LeastOpen;

impl Strategy for LeastOpen {
    fn name(&self) -> &'static str {
        "least_open"
    }

    fn pick<'a>(&self, eligible: &[&'a Candidate], _: &Work) -> Option<Pick<'a>> {
        let chosen =
            eligible.iter().min_by_key(|candidate| (candidate.open, candidate.last, candidate.seller_id))?;
        Some(Pick { chosen, because: "fewest_open", others: "more_open" })
    }
}
