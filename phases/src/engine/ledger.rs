//! The door to a run's memory: lease, journal, releases. Every ledger passes one contract suite.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::engine::journal::{Draft, Record};

/// Who asks for the lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// `user@host`.
    pub holder: String,
    /// Run id.
    pub run: String,
    /// Verb.
    pub verb: String,
    /// Highest token that a target is known to have accepted: the lease gets a higher one, even from a ledger that
    /// has lost its memory.
    pub above: u64,
}

/// The right to change the environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// `user@host`.
    pub holder: String,
    /// Run id.
    pub run: String,
    /// Fencing token, higher than any before.
    pub token: u64,
    /// Since when (RFC 3339).
    pub since: String,
    /// Until when, for ledgers whose leases run out by time (RFC 3339).
    pub expires_at: Option<String>,
    /// It has run out or its holder is dead.
    pub expired: bool,
}

/// Why the ledger said no.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LedgerError {
    /// Somebody else holds the lease.
    #[error("`{}` holds the lease with run `{}` (token {}) since {}", .0.holder, .0.run, .0.token, .0.since)]
    Held(Box<Lease>),
    /// The lease given is not the current one any more.
    #[error("run `{run}` lost its lease (token {token})")]
    Lost {
        /// Run.
        run: String,
        /// Its token.
        token: u64,
    },
    /// A record does not follow from the one before it.
    #[error("the journal is broken at line {line}: {reason}")]
    Broken {
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A newer crmctl wrote it.
    #[error("the journal has format {schema} at line {line}; this crmctl reads up to {known}")]
    Newer {
        /// Line, from 1.
        line: usize,
        /// Format found.
        schema: u32,
        /// Newest format known here.
        known: u32,
    },
    /// The storage failed.
    #[error("the ledger cannot be used: {0}")]
    Storage(String),
    /// It could not be reached; nothing was asked of it.
    #[error("the ledger is away: {0}")]
    Away(String),
    /// A newer crmctl laid its storage out.
    #[error("the ledger is laid out in format {found}; this crmctl knows formats up to {known}")]
    NewerLayout {
        /// Format found.
        found: u32,
        /// Newest format known here.
        known: u32,
    },
    /// Two memories of one environment say different things.
    #[error("the ledger and `{copy}` part at line {line}: {reason}")]
    Parted {
        /// Line, from 1.
        line: usize,
        /// The other memory.
        copy: String,
        /// What is different.
        reason: String,
    },
}

impl LedgerError {
    /// The next action.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Held(lease) => format!(
                "wait until run `{}` is over, or stop it where it runs; `crmctl unlock` takes the lease from one \
                 that cannot be reached",
                lease.run
            ),
            Self::Lost { .. } => "look at `crmctl status`: a newer run owns the environment".to_owned(),
            Self::Broken { .. } => {
                "put the journal back from a copy; nothing may be guessed from it".to_owned()
            }
            Self::Newer { .. } | Self::NewerLayout { .. } => {
                "use the crmctl that wrote it, or a newer one".to_owned()
            }
            Self::Away(_) => {
                "bring it back, or mend its address and credentials; `crmctl rollback` works without it"
                    .to_owned()
            }
            Self::Parted { copy, .. } => format!(
                "bring back the ledger that this machine knows; to go on with the one there is, move `{copy}` away"
            ),
            Self::Storage(_) => "free space or mend the permissions, then run it again".to_owned(),
        };
        Some(text)
    }
}

/// A run's memory, shared by all operators of an environment.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Takes the lease, or says who has it. A holder that is a dead process of this host is replaced.
    async fn acquire(&self, claim: &Claim) -> Result<Lease, LedgerError>;

    /// Extends it.
    async fn renew(&self, lease: &Lease) -> Result<(), LedgerError>;

    /// Gives it back. Giving back one that is lost is no error.
    async fn release(&self, lease: &Lease) -> Result<(), LedgerError>;

    /// Takes it away from its holder, dead or alive: a living one learns it at its next record or renewal, and every
    /// target refuses its token from the next run's first effect on. Refused unless run and token are those of the
    /// current lease.
    async fn revoke(&self, lease: &Lease) -> Result<(), LedgerError>;

    /// Who holds it now, if anybody. Read only.
    async fn holder(&self) -> Result<Option<Lease>, LedgerError>;

    /// Appends one record; durable when it returns. Refused without the lease.
    async fn append(&self, lease: &Lease, draft: Draft) -> Result<Record, LedgerError>;

    /// The whole chain, verified. A torn last line is dropped (it was never acknowledged).
    async fn records(&self) -> Result<Vec<Record>, LedgerError>;
}
