//! The migration set: what a folder of migration files says, validated as a whole. It reads files and never
//! a database.

mod hazard;
mod header;
mod issue;
mod load;

use std::fmt;
use std::path::Path;
use std::time::Duration;

use serde::{Serialize, Serializer};
use sha2::Digest as _;

pub use issue::{Issue, LoadError};

use crate::sql::Script;

/// When a migration runs relative to the release that needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Old code runs on the new schema: applied before the release is switched.
    Expand,
    /// Moves data between an expand and a contract.
    Backfill,
    /// Old code may not run on the new schema: applied when no release that needs the old shape is left.
    Contract,
}

/// A SHA-256 digest, written `sha256:<hex>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `text`.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(sha2::Sha256::digest(text.as_bytes()).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One migration: its three files and what their headers declare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// The number in the file name; greater than zero.
    pub version: i64,
    /// The name in the file name: `notifications` of `016_notifications.up.sql`.
    pub name: String,
    /// What applies it.
    pub up: Script,
    /// What reverts it.
    pub down: Script,
    /// What must succeed after it was applied, in a transaction that is rolled back.
    pub verify: Script,
    /// SHA-384 of the up file with LF line ends: the bytes sqlx stores in `_sqlx_migrations.checksum`.
    pub checksum: Vec<u8>,
    /// Digest of the down file with LF line ends.
    pub down_digest: Digest,
    /// Digest of the verify file with LF line ends.
    pub verify_digest: Digest,
    /// `-- crmctl:stage …`; expand when absent.
    pub stage: Stage,
    /// `-- crmctl:irreversible because …`: why it must not be reverted.
    pub irreversible: Option<String>,
    /// `-- crmctl:breaks-below NNN`: releases whose newest migration is older cannot run on the result.
    pub breaks_below: Option<i64>,
    /// `-- crmctl:statement-timeout 30m`: how long one statement may take.
    pub statement_timeout: Option<Duration>,
    /// `-- crmctl:expects …`: declared data changes, one entry per line, unparsed.
    pub expects: Vec<String>,
    /// The up file starts with `-- no-transaction`: its statements run one by one with a step journal.
    pub no_transaction: bool,
}

impl Migration {
    /// The checksum in lower-case hex, as JSON shows it.
    #[must_use]
    pub fn checksum_hex(&self) -> String {
        hex::encode(&self.checksum)
    }

    /// `stored` is the checksum of this up file, whichever line ends the tool that stored it read.
    #[must_use]
    pub fn matches(&self, stored: &[u8]) -> bool {
        stored == self.checksum || stored == load::sqlx_checksum(&self.up.text.replace('\n', "\r\n"))
    }
}

/// One entry of `release.json`'s `migrations`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ManifestEntry {
    /// The number of the migration.
    pub version: i64,
    /// Its name.
    pub name: String,
    /// SHA-384 of the up file, hex.
    pub checksum: String,
    /// Digest of the down file.
    pub down: Digest,
    /// Digest of the verify file.
    pub verify: Digest,
}

/// All migrations of a folder, ordered by version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MigrationSet {
    migrations: Vec<Migration>,
}

impl MigrationSet {
    /// Reads `NNN_name.up.sql`, `NNN_name.down.sql` and `verify/NNN_name.sql` of `dir`. Other folders, hidden
    /// files and files that are not SQL are ignored; gaps between numbers are fine.
    ///
    /// CRLF becomes LF and a byte-order mark is dropped before anything else looks at the text, so a checkout
    /// with other line ends is the same migration.
    ///
    /// # Errors
    /// Everything that is wrong with the folder, all of it together.
    pub fn load(dir: &Path) -> Result<Self, LoadError> {
        load::folder(dir).map(|migrations| Self { migrations })
    }

    /// The migrations, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Migration> {
        self.migrations.iter()
    }

    /// The migration with this number.
    #[must_use]
    pub fn get(&self, version: i64) -> Option<&Migration> {
        self.migrations.iter().find(|migration| migration.version == version)
    }

    /// The newest number: what a release built from this folder needs.
    #[must_use]
    pub fn newest(&self) -> Option<i64> {
        self.migrations.last().map(|migration| migration.version)
    }

    /// What `release.json` records of the set.
    #[must_use]
    pub fn manifest(&self) -> Vec<ManifestEntry> {
        self.iter()
            .map(|migration| ManifestEntry {
                version: migration.version,
                name: migration.name.clone(),
                checksum: migration.checksum_hex(),
                down: migration.down_digest,
                verify: migration.verify_digest,
            })
            .collect()
    }
}
