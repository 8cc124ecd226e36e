//! The door to what runs releases. Every platform, the fake one included, passes one contract suite
//! (`testing::contract`).

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::engine::effects::{EffectContext, EffectOutcome};
use crate::release::ReleaseId;

/// What a running instance of a release is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Started, no traffic.
    Candidate,
    /// Has the public address.
    Serving,
    /// Replaced; answers what is under way, then ends.
    Draining,
}

/// One running instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Of which release.
    pub release: ReleaseId,
    /// What it does.
    pub role: Role,
    /// Since when (RFC 3339).
    pub since: String,
}

/// What the platform knows, read in one look.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlatformState {
    /// Everything that runs.
    pub instances: Vec<Instance>,
    /// Release that the platform means to serve, whether or not it is alive this second.
    pub serving: Option<ReleaseId>,
    /// What served before it.
    pub previous: Option<ReleaseId>,
    /// Releases whose content is present and could be started.
    pub present: Vec<ReleaseId>,
    /// Highest token accepted.
    pub token: u64,
    /// What somebody else has changed on what serves, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foreign: Vec<String>,
}

/// Why the platform could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the platform cannot be read: {reason}")]
pub struct PlatformUnreadable {
    /// Cause.
    pub reason: String,
}

/// Starts, proves, switches and stops releases. Each effect is idempotent and refuses a token lower than
/// the highest it has seen (`FailureClass::LeaseLost`).
#[async_trait]
pub trait Platform: Send + Sync {
    /// What runs. Changes nothing, starts nothing.
    async fn state(&self) -> Result<PlatformState, PlatformUnreadable>;

    /// Lets no run with a token lower than `token` change anything any more, and does nothing else: it starts
    /// nothing, and nothing need run. When it is done, no effect of an older run is under way here any more.
    async fn fence(&self, token: u64) -> EffectOutcome;

    /// Starts `release` beside what serves, without traffic; one that already runs (as candidate or serving)
    /// is adopted.
    async fn start(&self, release: &ReleaseId, context: &EffectContext<'_>) -> EffectOutcome;

    /// Waits until `release` says ready and answers with its own id. Fails with the last log lines when it
    /// exits or the deadline of the environment passes (`FailureClass::ReleaseFailed`).
    async fn await_ready(&self, release: &ReleaseId, context: &EffectContext<'_>) -> EffectOutcome;

    /// Gives `to` the public address and drains what had it. Done only when a new connection to the public
    /// address is answered by `to`.
    async fn shift(&self, to: &ReleaseId, context: &EffectContext<'_>) -> EffectOutcome;

    /// Undo of a shift: `to` serves again (started and awaited when it does not run any more); with `None`
    /// nothing serves. `from` is stopped.
    async fn restore(
        &self,
        to: Option<&ReleaseId>,
        from: &ReleaseId,
        context: &EffectContext<'_>,
    ) -> EffectOutcome;

    /// Stops a candidate. Never stops what serves.
    async fn stop(&self, release: &ReleaseId, context: &EffectContext<'_>) -> EffectOutcome;

    /// Removes the content of every release that is not in `keep`, does not serve and does not run.
    async fn retire(&self, keep: &[ReleaseId], context: &EffectContext<'_>) -> EffectOutcome;
}
