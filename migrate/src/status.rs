//! What is applied, what is pending and where files and database disagree. It changes nothing, not even in
//! a database that was never migrated.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::database::Database;
use crate::drift::{self, Drift};
use crate::error::Error;
use crate::history::History;
use crate::set::MigrationSet;

/// Where a migration stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Complete and verified.
    Applied,
    /// Not applied, or (see the drift) half applied.
    Pending,
    /// Applied once and taken back.
    Reverted,
}

/// One migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MigrationStatus {
    /// Its number.
    pub version: i64,
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub state: State,
    /// When it was applied; `None` unless it is.
    pub applied_at: Option<DateTime<Utc>>,
    /// SHA-384 of the up file in hex: as applied, else as in the file.
    pub checksum: String,
}

/// All migrations of the files and of the database.
///
/// Shape: `migrate status` of the contract without `schema` and `environment`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The newest version that is applied.
    pub latest: Option<i64>,
    /// Ordered by version.
    pub migrations: Vec<MigrationStatus>,
    /// Where files and database disagree; empty when all is well.
    pub drift: Vec<Drift>,
}

/// Looks at the database and changes nothing.
///
/// # Errors
/// When the database cannot be reached or read.
pub async fn status(database: &Database, set: &MigrationSet) -> Result<Status, Error> {
    let history = History::of(database).await?;
    Ok(of(set, &history))
}

/// The greatest token that a run has worked under here; `None` in a database that was never migrated.
///
/// A run with a smaller one is refused ([`Error::FenceLost`]): one whose own count of tokens began anew (a new
/// state directory, a restored ledger) asks this under its lease and goes on from there.
///
/// # Errors
/// When the database cannot be reached or read.
pub async fn newest_token(database: &Database) -> Result<Option<i64>, Error> {
    Ok(History::of(database).await?.fence)
}

pub(crate) fn of(set: &MigrationSet, history: &History) -> Status {
    let versions: BTreeSet<i64> =
        set.iter().map(|migration| migration.version).chain(history.rows.keys().copied()).collect();
    Status {
        latest: history.latest(),
        migrations: versions.into_iter().map(|version| one(set, history, version)).collect(),
        drift: drift::between(set, history),
    }
}

fn one(set: &MigrationSet, history: &History, version: i64) -> MigrationStatus {
    let row = history.rows.get(&version);
    let applied = row.filter(|row| row.success);
    let migration = set.get(version);
    let state = match row {
        Some(row) if row.success => State::Applied,
        Some(_) => State::Pending,
        None if history.was_reverted(version) => State::Reverted,
        None => State::Pending,
    };
    let name = migration.map(|m| m.name.clone()).or_else(|| row.map(|r| r.description.replace(' ', "_")));
    let checksum = applied
        .map(|row| row.checksum.clone())
        .or_else(|| migration.map(|m| m.checksum.clone()))
        .or_else(|| row.map(|row| row.checksum.clone()));
    MigrationStatus {
        version,
        name: name.unwrap_or_default(),
        state,
        applied_at: applied.map(|row| row.installed_on),
        checksum: checksum.map(hex::encode).unwrap_or_default(),
    }
}
