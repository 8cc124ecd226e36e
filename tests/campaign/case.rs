//! One case: a journey, a place in its journal, what is done to it there and who goes on afterwards.

use std::time::Duration;

use super::strike::{Kind, Point};

/// A deploy that is not what a case is about.
pub(crate) const DEPLOY: [&str; 6] =
    ["deploy", "local", "--skip", "perf", "--reason", "this case measures nothing"];

/// What is under way when it is struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Journey {
    /// A deploy on an empty machine.
    First,
    /// A deploy of a new release with a migration; its load is left out.
    Deploy,
    /// The same with its load, from the smoke before it on.
    Measured,
    /// The same on its way back: it was asked to stop while it switched.
    Unwinding,
    /// Going back to the release before.
    Rollback,
}

impl Journey {
    pub(crate) const ALL: [Self; 5] =
        [Self::First, Self::Deploy, Self::Measured, Self::Unwinding, Self::Rollback];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::First => "first deploy",
            Self::Deploy => "deploy",
            Self::Measured => "deploy, from its load on",
            Self::Unwinding => "deploy, being taken back",
            Self::Rollback => "rollback",
        }
    }

    pub(crate) const fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Rollback => &["rollback", "local"],
            Self::Measured => &["deploy", "local"],
            _ => &DEPLOY,
        }
    }

    /// Exit code when nothing disturbs it.
    pub(crate) const fn code(self) -> i32 {
        if matches!(self, Self::Unwinding) { 50 } else { 0 }
    }
}

/// Who goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    Resume,
    Rollback,
}

impl Way {
    pub(crate) const ALL: [Self; 2] = [Self::Resume, Self::Rollback];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Resume => "resume",
            Self::Rollback => "rollback",
        }
    }
}

/// When the signal comes.
#[derive(Debug, Clone)]
pub(crate) enum When {
    /// Right after the record, or so much later.
    After(Point, Duration),
    /// So long after the start, wherever the run is.
    Moment(Duration),
}

#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) journey: Journey,
    pub(crate) when: When,
    pub(crate) kind: Kind,
    pub(crate) way: Way,
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (journey, kind, way) = (self.journey.name(), self.kind.name(), self.way.name());
        match &self.when {
            When::After(point, Duration::ZERO) => write!(f, "{journey} · {point} · {kind} · {way}"),
            When::After(point, later) => write!(f, "{journey} · {point} + {later:?} · {kind} · {way}"),
            When::Moment(moment) => write!(f, "{journey} · after {moment:?} · {kind} · {way}"),
        }
    }
}

/// How it went.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) breaches: Vec<String>,
    /// From the command that goes on to its end.
    pub(crate) recovery: Duration,
    /// The signal met a run that was still under way.
    pub(crate) struck: bool,
    /// The machine was too busy for a load that says anything, so the run was right to go back: this says nothing.
    pub(crate) disturbed: bool,
}
