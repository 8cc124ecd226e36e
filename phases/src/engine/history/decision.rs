//! Decisions about releases as the journal's VERDICT records carry them: the one place that writes and reads
//! their shape.

use serde_json::{Value, json};

use crate::engine::history::text;
use crate::engine::journal::{Kind, Record};
use crate::observed::KnownRelease;
use crate::plan::Target;
use crate::release::{ReleaseId, ReleaseState};

/// Something decided about a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It served and its checks passed.
    Good {
        /// It.
        release: KnownRelease,
        /// What served before it.
        after: Option<ReleaseId>,
    },
    /// It was rejected.
    Blocked {
        /// It, with the reason.
        release: KnownRelease,
    },
    /// An earlier rejection was taken back.
    Unblocked {
        /// Of which.
        id: ReleaseId,
    },
}

impl Decision {
    /// The release it is about.
    pub const fn id(&self) -> &ReleaseId {
        match self {
            Self::Good { release, .. } | Self::Blocked { release } => &release.id,
            Self::Unblocked { id } => id,
        }
    }
}

/// What a VERDICT record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// Good, having replaced this one.
    Good(Option<&'a ReleaseId>),
    /// Rejected for this reason.
    Blocked(&'a str),
    /// Free again for this reason.
    Unblocked(&'a str),
}

/// `observed`, `desired` and `evidence` of a VERDICT record.
pub fn draft_values(target: &Target, verdict: Verdict<'_>) -> [Value; 3] {
    let (state, previous, reason) = match verdict {
        Verdict::Good(previous) => ("good", previous, None),
        Verdict::Blocked(reason) => ("blocked", None, Some(reason)),
        Verdict::Unblocked(reason) => ("unblocked", None, Some(reason)),
    };
    let desired =
        json!({"release": target.id, "commit": target.commit, "digest": target.digest, "state": state});
    [json!({"previous": previous}), desired, json!({"reason": reason})]
}

/// All decisions in order. A VERDICT whose shape is not known here is passed over.
pub fn decisions(records: &[Record]) -> impl Iterator<Item = Decision> {
    records.iter().filter(|record| record.kind == Kind::Verdict).filter_map(decode)
}

fn decode(record: &Record) -> Option<Decision> {
    let desired = &record.desired;
    let id: ReleaseId = desired["release"].as_str()?.parse().ok()?;
    let release = |state| KnownRelease {
        id: id.clone(),
        commit: text(desired, "commit"),
        digest: text(desired, "digest"),
        state,
        at: record.at.clone(),
        reason: record.evidence["reason"].as_str().map(str::to_owned),
    };
    match desired["state"].as_str()? {
        "good" => {
            let after = record.observed["previous"].as_str().and_then(|id| id.parse().ok());
            Some(Decision::Good { release: release(ReleaseState::Good), after })
        }
        "blocked" => Some(Decision::Blocked { release: release(ReleaseState::Blocked) }),
        "unblocked" => Some(Decision::Unblocked { id: id.clone() }),
        _ => None,
    }
}
