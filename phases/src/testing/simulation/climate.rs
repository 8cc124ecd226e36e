//! How common each rare path is. Every seed has a weather of its own (most faults off, a few frequent): all at
//! once would only ever show the first fault of a run.

use std::time::Duration;

use crate::testing::simulation::random::Random;

/// Chances in a thousand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Climate {
    /// An effect or a check says no.
    pub refuse: u64,
    /// An effect never reaches its target, and nobody says so.
    pub lost: u64,
    /// An effect happens, and its answer gets lost.
    pub unheard: u64,
    /// An effect happens after its operator has given up.
    pub late: u64,
    /// An effect reaches its target twice: its sender had to ask again.
    pub twice: u64,
    /// An effect takes nearly as long as it may.
    pub slow: u64,
    /// A probe cannot tell.
    pub blind: u64,
    /// A call of the ledger gets lost before or after it took place, or takes long.
    pub ledger: u64,
    /// A lease is not renewed.
    pub renewal: u64,
    /// kill -9.
    pub crash: u64,
    /// STOP and, some time later, CONT.
    pub pause: u64,
    /// The laptop sleeps: its clocks stand still.
    pub suspend: u64,
    /// Ctrl-C.
    pub interrupt: u64,
}

/// Most faults are off under most seeds.
const LEVELS: [u64; 8] = [0, 0, 0, 0, 10, 30, 80, 200];
/// For what strikes at every moment of a process instead of once in an effect.
const MOMENTS: [u64; 8] = [0, 0, 0, 1, 3, 3, 8, 15];

impl Climate {
    /// The weather of a seed.
    pub(crate) fn of(random: &mut Random) -> Self {
        let mut level = || random.pick(&LEVELS);
        let [refuse, lost, unheard, late, slow] = [level(), level(), level(), level(), level()];
        let [blind, ledger, renewal, twice] = [level(), level() / 2, level(), level()];
        let mut moment = || random.pick(&MOMENTS);
        let [crash, pause, suspend, interrupt] = [moment(), moment(), moment(), moment()];
        Self {
            refuse,
            lost,
            unheard,
            late,
            twice,
            slow,
            blind,
            ledger,
            renewal,
            crash,
            pause,
            suspend,
            interrupt,
        }
    }
}

/// How fast an operator's clock goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rate {
    /// Half as fast as true time.
    Half,
    /// As true time.
    True,
    /// One and a half times as fast.
    Fast,
}

impl Rate {
    pub(crate) const ALL: [Self; 3] = [Self::Half, Self::True, Self::Fast];

    /// What the clock shows of a stretch of true time.
    pub(crate) const fn shown(self, real: Duration) -> Duration {
        let nanos = real.as_nanos() as u64;
        Duration::from_nanos(match self {
            Self::Half => nanos / 2,
            Self::True => nanos,
            Self::Fast => nanos + nanos / 2,
        })
    }

    /// How long it truly takes until the clock has moved on by so much.
    pub(crate) const fn real(self, shown: Duration) -> Duration {
        let nanos = shown.as_nanos() as u64;
        Duration::from_nanos(match self {
            Self::Half => nanos * 2,
            Self::True => nanos,
            Self::Fast => (nanos * 2).div_ceil(3),
        })
    }
}
