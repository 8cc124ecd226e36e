//! `sticky`: a known person goes back to the vendedor who knows them; a new one, or one whose vendedor cannot take them
//! now, goes in turn.

use super::round_robin::RoundRobin;
use super::{Pick, Strategy};
use crate::assignment::candidate::Candidate;
use crate::assignment::work::Work;

/// By acquaintance.
pub(super) struct Sticky;

impl Strategy for Sticky {
    fn name(&self) -> &'static str {
        "sticky"
    }

    fn pick<'a>(&self, eligible: &[&'a Candidate], work: &Work) -> Option<Pick<'a>> {
        match eligible.iter().find(|candidate| Some(candidate.seller_id) == work.known_by) {
            Some(chosen) => Some(Pick { chosen, because: "knows_them", others: "known_by_other" }),
            None => RoundRobin.pick(eligible, work),
        }
    }
}
