//! Plans, applies, verifies and reverts the schema of one PostgreSQL database. It owns the format of the
//! migration files, the history kept in the database and the safety of each change; it knows no deployment,
//! no environment and no command line.
//!
//! ```text
//! files ── MigrationSet::load ──┐
//!                               ├─ status · plan            read only
//! DSN ──── Database::new ───────┴─ apply · rollback         under sqlx's advisory lock, fenced by a token
//!                               raise_fence               before anybody looks
//! ```

mod apply;
mod database;
mod drift;
mod error;
mod events;
mod fence;
mod history;
mod lock;
mod objects;
mod plan;
mod retry;
mod rollback;
mod session;
mod set;
mod sql;
mod status;
mod watch;

pub use apply::{Applied, AppliedMigration, ApplyOptions, Scope, apply};
pub use database::Database;
pub use drift::{Drift, DriftKind};
pub use error::{Error, Kind, SqlFailure};
pub use events::{Backend, Event, Observer, Silent};
pub use fence::{Fenced, make_fence, raise_fence};
pub use plan::{Plan, PlannedMigration, PlannedStatement, plan};
pub use retry::Patience;
pub use rollback::{Loss, LossKind, Reason, Refusal, Reverted, RollbackOptions, rollback};
pub use session::Author;
pub use set::{Digest, Issue, LoadError, ManifestEntry, Migration, MigrationSet, Stage};
pub use sql::{Script, Statement};
pub use status::{MigrationStatus, State, Status, newest_token, status};
