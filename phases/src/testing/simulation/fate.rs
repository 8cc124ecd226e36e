//! What becomes of one call through a door, and the strikes of the exhaustive mode, which hits the n-th call and
//! no other.

use std::time::Duration;

use crate::testing::simulation::climate::Climate;
use crate::testing::simulation::random::Random;

/// What becomes of an effect, a probe or a call of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// As it should.
    Well,
    /// It says no, and nothing happens.
    Refused,
    /// It does not take place, and no answer comes.
    Lost,
    /// It takes place, and no answer comes.
    Unheard,
    /// It takes place after the operator has given up.
    Late,
    /// It takes place and takes long.
    Slow,
    /// The process is killed before it is sent.
    KilledBefore,
    /// The process is killed when it is under way.
    KilledAfter,
    /// The operator asks to stop while it is under way.
    Interrupted,
}

impl Fate {
    /// All that the exhaustive mode strikes with.
    pub const STRIKES: [Self; 8] = [
        Self::Refused,
        Self::Lost,
        Self::Unheard,
        Self::Late,
        Self::Slow,
        Self::KilledBefore,
        Self::KilledAfter,
        Self::Interrupted,
    ];
}

/// Which door a call goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Effect,
    Probe,
    Append,
    Renew,
    Other,
}

/// Strikes the n-th call of the first process, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strike {
    /// Which call.
    pub call: usize,
    /// What becomes of it.
    pub fate: Fate,
}

impl Climate {
    /// Draws the fate of a call.
    pub(crate) fn fate(&self, door: Door, random: &mut Random) -> Fate {
        let odds: &[(u64, Fate)] = match door {
            Door::Effect => &[
                (self.refuse, Fate::Refused),
                (self.lost, Fate::Lost),
                (self.unheard, Fate::Unheard),
                (self.late, Fate::Late),
                (self.slow, Fate::Slow),
                (self.crash * 6, Fate::KilledAfter),
                (self.crash * 3, Fate::KilledBefore),
            ],
            Door::Probe => &[(self.blind, Fate::Lost), (self.slow / 4, Fate::Slow)],
            Door::Renew => &[
                (self.renewal, Fate::Lost),
                (self.renewal / 2, Fate::Unheard),
                (self.renewal / 2, Fate::Slow),
            ],
            Door::Append | Door::Other => &[
                (self.ledger / 4, Fate::Lost),
                (self.ledger / 4, Fate::Unheard),
                (self.ledger / 4, Fate::Slow),
            ],
        };
        let struck = odds.iter().find(|(odds, _)| random.chance(*odds));
        struck.map_or(Fate::Well, |(_, fate)| *fate)
    }
}

/// A short way there or back; often none at all, so that much happens at the same moment.
pub(crate) fn short(random: &mut Random) -> Duration {
    match random.below(4) {
        0 => random.between(Duration::from_millis(1), Duration::from_millis(300)),
        1 => Duration::from_millis(20),
        _ => Duration::ZERO,
    }
}
