//! What a run tells while it goes: typed events for whoever watches. It prints nothing.

use chrono::{DateTime, Utc};
use serde::Serialize;

/// A session on the server, as far as our role may see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct Backend {
    /// Process id on the server.
    pub pid: i32,
    /// Its `application_name`, empty when it gives none.
    pub application: String,
    /// The role it logged in as.
    pub user: Option<String>,
    /// `active`, `idle in transaction`, …; `None` without `pg_read_all_stats`.
    pub state: Option<String>,
    /// When its transaction (or, for a lock holder, its session) began; `None` without `pg_read_all_stats`.
    pub since: Option<DateTime<Utc>>,
}

impl std::fmt::Display for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let application = if self.application.is_empty() { "unnamed" } else { &self.application };
        write!(f, "pid {} (`{application}`", self.pid)?;
        if let Some(user) = &self.user {
            write!(f, ", role `{user}`")?;
        }
        if let Some(state) = &self.state {
            write!(f, ", {state}")?;
        }
        if let Some(since) = self.since {
            write!(f, ", since {}", since.format("%Y-%m-%dT%H:%M:%SZ"))?;
        }
        f.write_str(")")
    }
}

/// One thing that happened during [`crate::apply`] or [`crate::rollback`]. Times are in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Another session holds the migration lock of this database.
    LockWaiting {
        /// Who holds it, when it still did at the time of asking.
        holder: Option<Backend>,
        /// How long we have waited.
        waited_ms: u64,
    },
    /// The lock is ours.
    LockTaken {
        /// How long it took.
        waited_ms: u64,
    },
    /// A migration begins or, after a retry, begins again.
    Started {
        /// Its number.
        version: i64,
        /// Its name.
        name: String,
        /// Number of this attempt, from 1.
        attempt: u32,
    },
    /// A statement waits for a lock. Told again when the picture changes.
    Blocked {
        /// The sessions in the way.
        blockers: Vec<Backend>,
        /// How long the oldest of them has had its transaction open; `None` when we may not see it.
        age_ms: Option<u64>,
        /// How many sessions wait behind us.
        waiting_behind: i64,
    },
    /// The attempt was given up, nothing of it stays, and there will be another one.
    Retrying {
        /// The migration.
        version: i64,
        /// Why: `55P03`, `40P01` or `40001`.
        sqlstate: String,
        /// The attempt that failed, from 1.
        attempt: u32,
        /// The pause before the next one.
        pause_ms: u64,
    },
    /// A migration without a transaction goes on where an earlier run stopped.
    Resumed {
        /// The migration.
        version: i64,
        /// The statement it goes on with, from 1.
        statement: usize,
    },
    /// An invalid index that an earlier attempt of ours left behind was dropped.
    Mended {
        /// The migration.
        version: i64,
        /// The index.
        index: String,
    },
    /// A migration is applied, verified and recorded.
    Applied {
        /// Its number.
        version: i64,
        /// Its name.
        name: String,
        /// From the first statement to the commit.
        elapsed_ms: u64,
    },
    /// A migration is reverted and recorded as such.
    Reverted {
        /// Its number.
        version: i64,
        /// From the first statement to the commit.
        elapsed_ms: u64,
    },
}

/// Who is told. Implemented by every `Fn(Event)`.
pub trait Observer: Send + Sync {
    /// Takes one event; must not block.
    fn observe(&self, event: Event);
}

impl<F: Fn(Event) + Send + Sync> Observer for F {
    fn observe(&self, event: Event) {
        self(event);
    }
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn observe(&self, _: Event) {}
}
