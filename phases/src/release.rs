//! What a release is: content with a name. Knows nothing of where it runs.

use serde::{Deserialize, Serialize};

/// Name of a release: `<commit12>[-dirty].<id8>`; also the value of the header `x-crm-release`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReleaseId(String);

/// Why a text is no release id.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no release id (expected `<commit12>[-dirty].<id8>`)")]
pub struct InvalidReleaseId(pub String);

impl ReleaseId {
    /// Builds the id from its parts; `commit` and `identity` are cut to 12 and 8 characters.
    ///
    /// # Errors
    /// When a part is too short or not lower-case hexadecimal.
    pub fn new(commit: &str, dirty: bool, identity: &str) -> Result<Self, InvalidReleaseId> {
        let cut = |text: &str, length: usize| text.get(..length).unwrap_or(text).to_owned();
        let dirty = if dirty { "-dirty" } else { "" };
        format!("{}{dirty}.{}", cut(commit, 12), cut(identity, 8)).parse()
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for ReleaseId {
    type Err = InvalidReleaseId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidReleaseId(text.to_owned());
        let (commit, identity) = text.split_once('.').ok_or_else(invalid)?;
        let commit = commit.strip_suffix("-dirty").unwrap_or(commit);
        let hexadecimal = |part: &str| part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if commit.len() == 12 && identity.len() == 8 && hexadecimal(commit) && hexadecimal(identity) {
            Ok(Self(text.to_owned()))
        } else {
            Err(invalid())
        }
    }
}

impl TryFrom<String> for ReleaseId {
    type Error = InvalidReleaseId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ReleaseId> for String {
    fn from(id: ReleaseId) -> Self {
        id.0
    }
}

impl std::fmt::Display for ReleaseId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// One migration as a release pins it. Shape: contract of `release.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinnedMigration {
    /// Number of the file.
    pub version: i64,
    /// Name of the file without number.
    pub name: String,
    /// SHA-384 of the up file, hexadecimal, as sqlx computes it.
    pub checksum: String,
    /// `sha256:…` of the down file.
    pub down: String,
    /// `sha256:…` of the verify file.
    pub verify: String,
    /// It takes away what an earlier release may need, so it only runs when asked for by name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub contract: bool,
}

/// A release as it is known before anything is built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Its name.
    pub id: ReleaseId,
    /// The whole commit id, 40 hexadecimal characters.
    pub commit: String,
    /// A build input or a migration differs from the commit.
    pub dirty: bool,
    /// `sha256:…` over input files, toolchain and flags.
    pub inputs: String,
    /// Newest migration it needs.
    pub needs_schema: i64,
    /// Its migration set, ascending.
    pub migrations: Vec<PinnedMigration>,
}

/// What a run has decided about a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseState {
    /// It served and its checks passed.
    Good,
    /// A check or a person rejected it: never deployed or rolled back to again.
    Blocked,
}
