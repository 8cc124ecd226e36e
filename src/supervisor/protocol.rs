//! What crmctl and its supervisor say to each other: one JSON line each way per connection. Typed, versioned,
//! and the only place that knows its form.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use phases::release::ReleaseId;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::state::StoredState;

/// Version of everything in this file.
const VERSION: u32 = 3;
/// Beyond drain and longest request: what a server says last, with room for a busy machine.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// The version spoken here.
pub(crate) fn version() -> u32 {
    overridden().unwrap_or(VERSION)
}

/// Lets a test stand a supervisor of another version up; builds for users have no such door.
#[cfg(debug_assertions)]
fn overridden() -> Option<u32> {
    std::env::var("CRMCTL_TEST_PROTOCOL").ok()?.parse().ok()
}

#[cfg(not(debug_assertions))]
const fn overridden() -> Option<u32> {
    None
}

/// A message with the version it is written in.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Envelope<T> {
    pub(crate) v: u32,
    pub(crate) body: T,
}

/// The version alone, of a message that may be of a later one.
#[derive(Debug, Deserialize)]
pub(crate) struct VersionOnly {
    pub(crate) v: u32,
}

/// What crmctl asks. Every effect carries a token and is idempotent, so an unanswered one is asked again.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Request {
    /// What runs?
    State,
    /// Start a release without traffic.
    Start(Start),
    /// Give a release the public address.
    Switch {
        /// Which.
        to: ReleaseId,
        /// Fencing token.
        token: u64,
    },
    /// End what does not serve of a release.
    Stop {
        /// Which.
        release: ReleaseId,
        /// Fencing token.
        token: u64,
    },
    /// End a release although it serves; then nothing serves.
    Withdraw {
        /// Which.
        release: ReleaseId,
        /// Fencing token.
        token: u64,
    },
    /// Remove the releases that neither run nor are kept.
    Retire {
        /// What somebody may go back to.
        keep: Vec<ReleaseId>,
        /// Fencing token.
        token: u64,
    },
    /// Remember the token, refuse it when it is low; nothing else.
    Fence {
        /// Fencing token.
        token: u64,
    },
    /// End all releases and the supervisor itself.
    Shutdown {
        /// Fencing token.
        token: u64,
    },
}

impl Request {
    /// The token of an effect.
    pub(crate) fn token(&self) -> Option<u64> {
        match self {
            Self::State => None,
            Self::Start(start) => Some(start.token),
            Self::Switch { token, .. }
            | Self::Stop { token, .. }
            | Self::Withdraw { token, .. }
            | Self::Retire { token, .. }
            | Self::Fence { token }
            | Self::Shutdown { token } => Some(*token),
        }
    }
}

/// A release to start.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Start {
    /// Which.
    pub(crate) release: ReleaseId,
    /// Where its `crm-server` lies.
    pub(crate) directory: PathBuf,
    /// Everything it finds in its environment, besides its sockets.
    pub(crate) environment: Vec<Variable>,
    /// How long it may take to leave.
    pub(crate) drain: Drain,
    /// Public address that it is meant for.
    pub(crate) address: SocketAddr,
    /// Fencing token.
    pub(crate) token: u64,
}

/// How long a release may take to leave, as it was told itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Drain {
    /// It goes on answering for this long.
    pub(crate) seconds: u64,
    /// The last request may take this long.
    pub(crate) request_seconds: u64,
}

impl Default for Drain {
    /// The server's own defaults.
    fn default() -> Self {
        Self { seconds: 10, request_seconds: 30 }
    }
}

impl Drain {
    /// Whoever takes longer than this hangs.
    pub(crate) fn longest(self) -> Duration {
        Duration::from_secs(self.seconds.saturating_add(self.request_seconds)) + LAST_WORDS
    }
}

/// One environment variable of a release. Its value may be a secret: never shown, and written out only on the
/// private socket and into the release's own directory.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Variable {
    pub(crate) name: String,
    #[serde(serialize_with = "expose", deserialize_with = "conceal")]
    pub(crate) value: SecretString,
}

fn expose<S: serde::Serializer>(value: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(value.expose_secret())
}

fn conceal<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(SecretString::from)
}

impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=…", self.name)
    }
}

/// What the supervisor answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// To [`Request::State`].
    State(Box<StoredState>),
    /// It is so now.
    Done {
        /// One line for people.
        summary: String,
    },
    /// It is not.
    Refused(Refusal),
    /// The request is of another version.
    Version {
        /// The one understood here.
        speaks: u32,
    },
}

/// Why something was not done.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refusal {
    /// What kind.
    pub(crate) kind: RefusalKind,
    /// One sentence of cause.
    pub(crate) message: String,
    /// Next action.
    pub(crate) hint: Option<String>,
    /// Last log lines, newest last.
    pub(crate) detail: Vec<String>,
}

/// What kind of no it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RefusalKind {
    /// A newer run was here.
    LowerToken,
    /// No such instance lives.
    NotRunning,
    /// It serves, and this must not end what serves.
    Serves,
    /// What runs listens elsewhere.
    OtherAddress,
    /// The release did not do what it was told.
    ReleaseFailed,
    /// The world is in the way; nothing changed.
    Failed,
    /// It may have happened.
    Unknown,
}

impl Refusal {
    pub(crate) fn new(kind: RefusalKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, detail: Vec::new() }
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    #[must_use]
    pub(crate) fn maybe_hint(mut self, hint: Option<&str>) -> Self {
        self.hint = hint.map(str::to_owned);
        self
    }

    #[must_use]
    pub(crate) fn detail(mut self, lines: Vec<String>) -> Self {
        self.detail = lines;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_cross_the_socket_but_never_show() {
        let variable = Variable { name: "JWT_SECRET".into(), value: SecretString::from("hush") };
        assert!(!format!("{variable:?}").contains("hush"));
        let line = serde_json::to_string(&variable).unwrap();
        assert_eq!(serde_json::from_str::<Variable>(&line).unwrap().value.expose_secret(), "hush");
    }

    #[test]
    fn request_has_the_documented_form() {
        let to = "0123456789ab.01234567".parse().unwrap();
        let line = serde_json::to_string(&Envelope { v: version(), body: Request::Switch { to, token: 7 } });
        let expected = r#"{"v":3,"body":{"switch":{"to":"0123456789ab.01234567","token":7}}}"#;
        assert_eq!(line.unwrap(), expected);
    }
}
