//! Why a request of a load failed, and why a load could not run at all.

use std::fmt;
use std::io::ErrorKind;

use crate::outcome::{CheckOutcome, Outcome};

/// Why one request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    /// An answer with a status that the check does not expect.
    Status(u16),
    /// An answer that another release gave than the one that is probed.
    WrongRelease,
    /// Not answered in time, counted from the due time.
    Timeout,
    /// No connection could be made.
    Connect,
    /// The connection broke before the answer was complete.
    Reset,
    /// What came back is no HTTP.
    Protocol,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "status_{status}"),
            Self::WrongRelease => f.write_str("wrong_release"),
            Self::Timeout => f.write_str("timeout"),
            Self::Connect => f.write_str("connect"),
            Self::Reset => f.write_str("reset"),
            Self::Protocol => f.write_str("protocol"),
        }
    }
}

impl From<&hyper::Error> for Cause {
    fn from(error: &hyper::Error) -> Self {
        let broke = error.is_incomplete_message() || error.is_closed() || error.is_canceled();
        let mut causes = std::iter::successors(std::error::Error::source(error), |error| error.source());
        let io = causes.find_map(|cause| cause.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
        match io {
            Some(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof) => {
                Self::Reset
            }
            _ if broke => Self::Reset,
            _ => Self::Protocol,
        }
    }
}

/// A load that did not start.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The plan makes no sense.
    #[error("a load cannot run with {problem}")]
    Plan {
        /// What makes no sense.
        problem: String,
    },
    /// No check of the suite has a weight.
    #[error("suite `{suite}` has no request for a load")]
    NoRequests {
        /// The suite's name.
        suite: String,
    },
    /// A check that the requests depend on (the login) did not pass.
    #[error("`{}` {}, and the load needs it{}", .0.check, .0.outcome.as_str(), seen(.0))]
    Setup(Box<CheckOutcome>),
    /// A request could not be made from its check.
    #[error("`{check}` cannot be repeated: {reason}")]
    Request {
        /// The check.
        check: String,
        /// What is missing.
        reason: String,
    },
    /// The subject's address cannot be used.
    #[error("`{address}` cannot be reached: {reason}")]
    Address {
        /// The address.
        address: String,
        /// Why not.
        reason: String,
    },
    /// A thread of the generator could not be started.
    #[error("a thread of the load could not be started")]
    Thread(#[source] std::io::Error),
}

impl LoadError {
    /// The check that did not pass, with what it expected and saw.
    #[must_use]
    pub fn check(&self) -> Option<&CheckOutcome> {
        match self {
            Self::Setup(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// What it says of the subject: a login that failed is a failure, everything else says nothing.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.check().map_or(Outcome::Errored, |check| check.outcome)
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Plan { .. } => Some("rate and duration have to be above 0".to_owned()),
            Self::NoRequests { .. } => Some("give an HTTP check `load_weight = 1`".to_owned()),
            Self::Setup(outcome) => {
                let suite = outcome.check.split('/').next().unwrap_or_default();
                Some(format!("run suite `{suite}` alone to see all of it"))
            }
            Self::Request { .. } | Self::Address { .. } | Self::Thread(_) => None,
        }
    }
}

/// What a check expected and saw, behind the sentence that it did not pass.
fn seen(outcome: &CheckOutcome) -> String {
    let expected = outcome.expected.as_deref().unwrap_or("a pass");
    outcome
        .actual
        .as_deref()
        .map_or_else(String::new, |actual| format!(": expected {expected}, got {actual}"))
}
