//! `release.json` as types. Shape: contract of the file.

use phases::release::PinnedMigration;
use serde::{Deserialize, Serialize};

/// Content of `release.json`. Shape: contract of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseFile {
    /// Format version; 1.
    pub schema: u32,
    /// Release id.
    pub id: String,
    /// Whole commit.
    pub commit: String,
    /// A build input or a migration differs from the commit.
    pub dirty: bool,
    /// `sha256:…` over what it was built from.
    pub inputs: String,
    /// `sha256:…` over what was built.
    pub digest: String,
    /// Newest migration it needs.
    pub needs_schema: i64,
    /// Its migrations, ascending.
    pub migrations: Vec<MigrationEntry>,
    /// What it was packed as: `repository@sha256:…`, or `repository:tag` of an engine that has it from crmctl alone; absent where
    /// releases are processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

/// One migration in `release.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MigrationEntry {
    /// Number.
    pub version: i64,
    /// Name.
    pub name: String,
    /// SHA-384 of the up file.
    pub checksum: String,
    /// `sha256:…` of the down file.
    pub down: String,
    /// `sha256:…` of the verify file.
    pub verify: String,
}

impl From<&PinnedMigration> for MigrationEntry {
    fn from(pin: &PinnedMigration) -> Self {
        Self {
            version: pin.version,
            name: pin.name.clone(),
            checksum: pin.checksum.clone(),
            down: pin.down.clone(),
            verify: pin.verify.clone(),
        }
    }
}
