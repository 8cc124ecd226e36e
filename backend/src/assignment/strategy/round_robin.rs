//! `round_robin`: who got nothing for the longest time; who never got any comes first, by id.

use super::{Pick, Strategy};
use crate::assignment::candidate::Candidate;
use crate::assignment::work::Work;

/// In turn.
pub(super) struct RoundRobin;

impl Strategy for RoundRobin {
    fn name(&self) -> &'static str {
        "round_robin"
    }

    fn pick<'a>(&self, eligible: &[&'a Candidate], _: &Work) -> Option<Pick<'a>> {
        let chosen = eligible.iter().min_by_key(|candidate| (candidate.last, candidate.seller_id))?;
        Some(Pick { chosen, because: "longest_without", others: "not_their_turn" })
    }
}
