//! How one of several who could get work is picked. A strategy is one file and one line in [`ALL`]; it sees only who is
//! eligible, and says in a stable word why it picked one and why not the others. Pure.

mod least_open;
mod round_robin;
mod sticky;

use super::candidate::Candidate;
use super::work::Work;

/// Who gets it, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pick<'a> {
    pub(crate) chosen: &'a Candidate,
    /// Why this one.
    pub(crate) because: &'static str,
    /// Why none of the others who could have got it.
    pub(crate) others: &'static str,
}

/// A way to pick.
pub(crate) trait Strategy: Sync {
    /// The name in rules.
    fn name(&self) -> &'static str;

    /// One of `eligible` for `work`; none only when there is nobody.
    fn pick<'a>(&self, eligible: &[&'a Candidate], work: &Work) -> Option<Pick<'a>>;
}

/// Every strategy of this release.
static ALL: [&dyn Strategy; 3] = [&round_robin::RoundRobin, &least_open::LeastOpen, &sticky::Sticky];

/// The strategy of a name.
pub(crate) fn named(name: &str) -> Option<&'static dyn Strategy> {
    ALL.into_iter().find(|strategy| strategy.name() == name)
}

/// Their names, for messages.
pub(crate) fn names() -> Vec<&'static str> {
    ALL.into_iter().map(Strategy::name).collect()
}
