//! Documents for machines: what `status`, `history` and `migrate status` print with `--output json`. Published
//! formats (`docs/schema/`): a change of one is a change of the contract.

use schemars::JsonSchema;
use serde::Serialize;

use phases::engine::failure::CheckEvidence;

use super::json::{ReleaseView, word};

/// `crmctl status --output json`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Status {
    /// Format version; 1.
    pub schema: u32,
    /// Environment.
    pub environment: String,
    /// What serves.
    pub serving: Option<ServingView>,
    /// What served before, and a rollback would go to.
    pub previous: Option<ReleaseView>,
    /// Who holds the lease.
    pub lease: Option<LeaseView>,
    /// The newest run.
    pub last_run: Option<LastRunView>,
    /// Release ids that are never deployed again.
    pub blocked: Vec<ReleaseView>,
    /// Where journal and platform disagree, one sentence each.
    pub drift: Vec<String>,
    /// Command to run next.
    pub next: Option<String>,
}

/// The serving release in `status`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ServingView {
    /// Release id.
    pub id: String,
    /// Whole commit.
    pub commit: Option<String>,
    /// Content digest.
    pub digest: Option<String>,
    /// `good`, `blocked`; absent while nothing was decided.
    pub state: Option<String>,
    /// Since when (RFC 3339 UTC).
    pub since: Option<String>,
}

/// The lease in `status`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct LeaseView {
    /// `user@host`.
    pub holder: String,
    /// Run id.
    pub run: String,
    /// Fencing token.
    pub token: u64,
    /// Since when.
    pub since: String,
    /// Until when; absent for leases that the kernel frees.
    pub expires_at: Option<String>,
    /// It has run out or its holder is dead.
    pub expired: bool,
}

/// The newest run in `status`, and a line of `history`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct LastRunView {
    /// Run id.
    pub run: String,
    /// Verb.
    pub verb: String,
    /// How it ended; absent while it is unfinished.
    pub ending: Option<String>,
    /// Exit code.
    pub exit_code: Option<u8>,
    /// The release it was about; absent for a word about the environment.
    pub release: Option<String>,
    /// When it ended, or began while unfinished.
    pub at: String,
}

/// `crmctl history --output json`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct History {
    /// Format version; 1.
    pub schema: u32,
    /// Environment.
    pub environment: String,
    /// Newest first.
    pub runs: Vec<LastRunView>,
}

/// `crmctl migrate status --output json`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct MigrateStatus {
    /// Format version; 1.
    pub schema: u32,
    /// Environment.
    pub environment: String,
    /// Newest applied version.
    pub latest: Option<i64>,
    /// Each migration, ascending.
    pub migrations: Vec<MigrationView>,
    /// Where files and database disagree; empty when all is well.
    pub drift: Vec<DriftView>,
}

/// One migration in `migrate status`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct MigrationView {
    /// Number.
    pub version: i64,
    /// Name.
    pub name: String,
    /// `applied pending reverted`.
    pub state: String,
    /// When it was applied (RFC 3339 UTC).
    pub applied_at: Option<String>,
    /// SHA-384 of the up file, hexadecimal.
    pub checksum: String,
}

/// One disagreement in `migrate status`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct DriftView {
    /// Number of the migration.
    pub version: i64,
    /// What kind: `edited`, `missing_file`, `out_of_order`, …
    pub kind: String,
    /// One sentence.
    pub message: String,
    /// Next action.
    pub hint: String,
}

/// `crmctl doctor --output json`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Diagnosis {
    /// Format version; 1.
    pub schema: u32,
    /// Environment.
    pub environment: String,
    /// Nothing is wrong.
    pub well: bool,
    /// What was looked at.
    pub lines: Vec<DiagnosisLine>,
}

/// One line of a diagnosis.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct DiagnosisLine {
    /// `doctor/name`.
    pub check: String,
    /// `passed failed errored`.
    pub outcome: String,
    /// What was expected, when it is not so.
    pub expected: Option<String>,
    /// What was seen.
    pub actual: Option<String>,
    /// Who looks after it.
    pub owner: Option<String>,
    /// Next action.
    pub hint: Option<String>,
}

impl From<&CheckEvidence> for DiagnosisLine {
    fn from(evidence: &CheckEvidence) -> Self {
        Self {
            check: evidence.check.clone(),
            outcome: word(&evidence.outcome),
            expected: evidence.expected.clone(),
            actual: evidence.actual.clone(),
            owner: evidence.owner.clone(),
            hint: evidence.hint.clone(),
        }
    }
}
