//! Virtual time: what is due when. Time jumps to the next thing due; things due at the same moment come in an
//! order that the seed decides.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// One process of an operator; a number is never used twice.
pub(crate) type Pid = usize;

/// What can be due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// An effect under way reaches its target. First of its kind, so that an answer never comes before it.
    Land(usize),
    /// A process goes on.
    Wake(Pid),
    /// The next errand of an operator begins.
    Begin(usize),
}

/// True time and what it will bring.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    now: Duration,
    queue: BinaryHeap<Reverse<(Duration, u64, Due)>>,
}

impl Timeline {
    /// True time, which no operator can read.
    pub(crate) const fn now(&self) -> Duration {
        self.now
    }

    /// Puts something into the queue; `tie` orders what is due at the same moment.
    pub(crate) fn put(&mut self, at: Duration, tie: u64, due: Due) {
        self.queue.push(Reverse((at.max(self.now), tie, due)));
    }

    /// Goes to the next thing due.
    pub(crate) fn advance(&mut self) -> Option<Due> {
        let Reverse((at, _, due)) = self.queue.pop()?;
        self.now = at;
        Some(due)
    }
}
