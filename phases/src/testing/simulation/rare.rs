//! Rare paths that were taken, counted: a simulation that never takes one proves nothing about it.

/// A path that hardly ever happens outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rare {
    /// The exhaustive mode hit its call.
    Struck,
    /// An effect that never arrived.
    EffectLost,
    /// An effect whose answer got lost.
    AnswerLost,
    /// An effect that reached its target twice.
    EffectTwice,
    /// An effect that a target accepted after its operator had given up.
    LateAccepted,
    /// An effect that a target refused because a newer token had been there.
    LateFenced,
    /// A probe that could not tell.
    ProbeBlind,
    /// A renewal that got lost.
    RenewalLost,
    /// A renewal that the server refused.
    RenewalRefused,
    /// A record refused because its writer had lost the lease.
    RecordRefused,
    /// A record written whose writer never heard of it.
    RecordUnheard,
    /// kill -9.
    Killed,
    /// kill -9 while something was being taken back.
    KilledOnTheWayBack,
    /// A process stopped for longer than a lease lasts.
    StoppedPastLease,
    /// A machine asleep for longer than a lease lasts.
    AsleepPastLease,
    /// Ctrl-C.
    Interrupted,
    /// A run gone on with by another operator.
    TakenOver,
    /// A run taken back by another operator.
    TakenBack,
    /// Two processes in the middle of a run at once, one of them without lease.
    TwoAtOnce,
    /// An operator refused because another held the lease.
    Held,
    /// A dead process of the same host replaced at once.
    Replaced,
    /// A lease that ran out taken by somebody else.
    RanOut,
    /// A run that ended by losing its lease.
    EndedLeaseLost,
    /// A run that ended resumable.
    EndedResumable,
    /// A run that ended stuck.
    EndedStuck,
    /// A run that rolled back by itself.
    EndedRolledBack,
    /// A first deploy that failed: nothing serves.
    EndedWithNothing,
    /// A run that did not begin because the fence could not be raised.
    Unfenced,
    /// A run refused because another was not finished.
    RefusedUnfinished,
}

/// How many there are.
const KINDS: usize = Rare::ALL.len();

impl Rare {
    /// All of them.
    pub const ALL: [Self; 29] = [
        Self::Struck,
        Self::EffectLost,
        Self::AnswerLost,
        Self::EffectTwice,
        Self::LateAccepted,
        Self::LateFenced,
        Self::ProbeBlind,
        Self::RenewalLost,
        Self::RenewalRefused,
        Self::RecordRefused,
        Self::RecordUnheard,
        Self::Killed,
        Self::KilledOnTheWayBack,
        Self::StoppedPastLease,
        Self::AsleepPastLease,
        Self::Interrupted,
        Self::TakenOver,
        Self::TakenBack,
        Self::TwoAtOnce,
        Self::Held,
        Self::Replaced,
        Self::RanOut,
        Self::EndedLeaseLost,
        Self::EndedResumable,
        Self::EndedStuck,
        Self::EndedRolledBack,
        Self::EndedWithNothing,
        Self::Unfenced,
        Self::RefusedUnfinished,
    ];
}

/// How often each was taken.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rares([u64; KINDS]);

impl Rares {
    pub(crate) const fn count(&mut self, rare: Rare) {
        self.0[rare as usize] += 1;
    }

    /// How often one was taken.
    pub const fn of(&self, rare: Rare) -> u64 {
        self.0[rare as usize]
    }

    /// Takes the counts of another simulation in.
    pub fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, more)| *sum += more);
    }
}
