//! Bugs that the simulation must find again. Each is planted at a door (ledger, effects, target), never in the
//! run loop: product code has no switch.

/// A planted bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// An INTENT is acknowledged at once and written with the record after it.
    IntentAfterEffect,
    /// A record is acknowledged before it is durable; a crash of its writer loses it.
    AcknowledgedTooEarly,
    /// The lease runs out by the clock of whoever asks.
    LeaseByOperatorsClock,
    /// A lease that has run out is extended as if nothing had happened.
    LeaseRevived,
    /// Anybody may append, with any token.
    LedgerIgnoresTokens,
    /// The platform accepts every token.
    PlatformIgnoresTokens,
    /// The database accepts every token.
    DatabaseIgnoresTokens,
    /// Restoring traffic toggles between two releases, as an engine's one-step rollback does.
    UndoToggles,
    /// An undo refuses what was never done.
    UndoIntolerant,
    /// A probe always finds the step done.
    ProbeSaysYes,
    /// A probe that cannot tell is taken for yes.
    UnknownTakenForDone,
    /// A switch does not drain what served.
    TwoServe,
    /// Cleaning removes the release to go back to.
    RetireForgetsTheWayBack,
    /// A second start makes a second process.
    StartNotIdempotent,
    /// A release has the public address as soon as it is started.
    StartTakesTraffic,
    /// The fence is said to be raised, and is not.
    FenceNotRaised,
    /// The platform raises the fence, the database does not.
    DatabaseNotFenced,
    /// A lease that was lost is still renewed: whoever asks is told yes.
    RenewalSaysYes,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::IntentAfterEffect,
        Self::AcknowledgedTooEarly,
        Self::LeaseByOperatorsClock,
        Self::LeaseRevived,
        Self::LedgerIgnoresTokens,
        Self::PlatformIgnoresTokens,
        Self::DatabaseIgnoresTokens,
        Self::UndoToggles,
        Self::UndoIntolerant,
        Self::ProbeSaysYes,
        Self::UnknownTakenForDone,
        Self::TwoServe,
        Self::RetireForgetsTheWayBack,
        Self::StartNotIdempotent,
        Self::StartTakesTraffic,
        Self::FenceNotRaised,
        Self::DatabaseNotFenced,
        Self::RenewalSaysYes,
    ];
}
