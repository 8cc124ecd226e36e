//! What the operator asked for, parsed, and why it can be refused. No judgement of the world in here.

use serde::{Deserialize, Serialize};

use crate::plan::Phase;
use crate::release::ReleaseId;

/// A verb that makes a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// `crmctl deploy`: the whole pipeline, or the part that `from`, `only` and `skip` leave of it.
    Pipeline,
    /// One phase by its own name; `Rollback` is one of them.
    Phase(Phase),
}

impl Verb {
    /// As typed, and as the journal has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pipeline => "deploy",
            Self::Phase(phase) => phase.as_str(),
        }
    }

    /// It may change the schema, or bring in a release that was planned on it.
    pub const fn uses_schema(self) -> bool {
        matches!(self, Self::Pipeline | Self::Phase(Phase::Migrate | Phase::Deploy))
    }
}

/// A phase left out on the operator's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skip {
    /// Which.
    pub phase: Phase,
    /// Why; goes into the plan and the journal.
    pub reason: String,
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Verb.
    pub verb: Verb,
    /// First phase to run.
    pub from: Option<Phase>,
    /// The only phases to run; empty = all.
    pub only: Vec<Phase>,
    /// Phases left out.
    pub skip: Vec<Skip>,
    /// Where a rollback shall go; absent = the previous good release.
    pub to: Option<ReleaseId>,
    /// `migrate` runs contract migrations too.
    pub contract: bool,
    /// What somebody else has changed on what serves may be overwritten.
    pub adopt: bool,
}

impl Request {
    /// A verb with nothing else said.
    pub const fn new(verb: Verb) -> Self {
        Self { verb, from: None, only: Vec::new(), skip: Vec::new(), to: None, contract: false, adopt: false }
    }

    /// `crmctl deploy` without flags.
    pub const fn deploy() -> Self {
        Self::new(Verb::Pipeline)
    }

    /// `crmctl rollback`, to the previous good release or a named one.
    pub fn rollback(to: Option<ReleaseId>) -> Self {
        Self { to, ..Self::new(Verb::Phase(Phase::Rollback)) }
    }

    /// What can be refused without looking at the world.
    pub(crate) fn check(&self) -> Result<(), PlanError> {
        let contradiction = |text: &str| Err(PlanError::Contradiction(text.to_owned()));
        let partial = self.from.is_some() || !self.only.is_empty() || !self.skip.is_empty();
        let named = self.only.iter().chain(&self.from).chain(self.skip.iter().map(|skip| &skip.phase));
        match self.verb {
            Verb::Phase(_) if partial => contradiction("`--from`, `--only` and `--skip` belong to `deploy`"),
            Verb::Pipeline if self.from.is_some() && !self.only.is_empty() => {
                contradiction("`--from` and `--only` cannot be given together")
            }
            _ if named.clone().any(|phase| *phase == Phase::Rollback) => {
                contradiction("`rollback` is not a phase of the pipeline")
            }
            _ if self.contract && self.verb != Verb::Phase(Phase::Migrate) => {
                contradiction("`--contract` belongs to `migrate`")
            }
            _ if self.to.is_some() && self.verb != Verb::Phase(Phase::Rollback) => {
                contradiction("`--to` belongs to `rollback`")
            }
            _ if self.skip.iter().any(|skip| skip.reason.trim().is_empty()) => {
                contradiction("`--skip` needs a reason")
            }
            _ => Ok(()),
        }
    }
}

/// Why no plan can be made. Every one of them is a refusal: exit code 10, nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// `from` and `only` together, or a phase that is not part of the pipeline.
    #[error("{0}")]
    Contradiction(String),
    /// The verb needs a release and none was given.
    #[error("`{verb}` needs a release, and none could be made from the checkout")]
    NoRelease {
        /// Verb.
        verb: String,
    },
    /// A run stands in the way.
    #[error("run `{run}` ({verb}) is not finished")]
    Unfinished {
        /// Which.
        run: String,
        /// Its verb.
        verb: String,
        /// Environment.
        environment: String,
    },
    /// An earlier run ended stuck.
    #[error("run `{run}` ({verb}) ended stuck: a person has to look first")]
    Stuck {
        /// Which.
        run: String,
        /// Its verb.
        verb: String,
        /// Environment.
        environment: String,
    },
    /// The release was rejected before.
    #[error("release `{id}` is blocked: {reason}")]
    Blocked {
        /// Which.
        id: ReleaseId,
        /// Why it was.
        reason: String,
        /// Environment.
        environment: String,
    },
    /// A phase needs bytes that are not there.
    #[error("release `{id}` is not built")]
    NotBuilt {
        /// Which.
        id: ReleaseId,
        /// Environment.
        environment: String,
    },
    /// What serves was changed by somebody else, and the switch would undo that.
    #[error("{what}")]
    Foreign {
        /// What was changed.
        what: String,
        /// Environment.
        environment: String,
    },
    /// The release needs a schema that is not there.
    #[error("release `{id}` needs migrations that are not applied: {missing}")]
    NotMigrated {
        /// Which.
        id: ReleaseId,
        /// Versions or why they are not known.
        missing: String,
        /// Environment.
        environment: String,
    },
    /// A migration cannot be applied before a contract migration below it, which runs only by name.
    #[error("migrations {waiting} wait behind contract migration {contract:03}")]
    BehindContract {
        /// The contract migration.
        contract: i64,
        /// Those above it.
        waiting: String,
        /// Environment.
        environment: String,
    },
    /// A phase needs the database.
    #[error("the database cannot be reached: {reason}")]
    DatabaseUnreachable {
        /// What the driver said.
        reason: String,
        /// Environment.
        environment: String,
    },
    /// A check needs something to check.
    #[error("nothing serves in `{environment}`")]
    NothingServes {
        /// Environment.
        environment: String,
    },
    /// There is no release to go back to.
    #[error("there is no release to go back to{}", passed_over(.passed))]
    NothingToGoBackTo {
        /// Releases passed over, each with the reason.
        passed: Vec<String>,
        /// Environment.
        environment: String,
    },
    /// The release named cannot be gone back to.
    #[error("cannot go back to release `{id}`: {reason}")]
    Unfit {
        /// Which.
        id: ReleaseId,
        /// Why not.
        reason: String,
        /// Environment.
        environment: String,
    },
}

fn passed_over(passed: &[String]) -> String {
    if passed.is_empty() { String::new() } else { format!(" (passed over: {})", passed.join("; ")) }
}

impl PlanError {
    /// The next action.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Contradiction(_) => "give `--from` or `--only`, with phases of the pipeline".to_owned(),
            Self::NoRelease { .. } => "run it inside the checkout".to_owned(),
            Self::Unfinished { environment, .. } => format!(
                "run `crmctl resume {environment}` to go on, or `crmctl rollback {environment}` to take it back"
            ),
            Self::Stuck { environment, .. } => format!(
                "run `crmctl status {environment}`, then `crmctl rollback {environment}`; or, when you have seen that \
                 all is well, `crmctl resolve {environment} --reason …`"
            ),
            Self::Blocked { environment, id, .. } => format!(
                "deploy a new commit or configuration, or run `crmctl release unblock {environment} {id}`"
            ),
            Self::NotBuilt { environment, .. } => format!("run `crmctl build {environment}`"),
            Self::Foreign { environment, .. } => format!(
                "see who did and why; `crmctl deploy {environment} --adopt` overwrites it, `crmctl rollback {environment}` too"
            ),
            Self::NotMigrated { environment, .. } => format!("run `crmctl migrate {environment}`"),
            Self::BehindContract { environment, .. } => format!(
                "run `crmctl build {environment}` and `crmctl migrate {environment} --contract`, once no release to go back to needs the old shape"
            ),
            Self::DatabaseUnreachable { environment, .. } => format!("run `crmctl preflight {environment}`"),
            Self::NothingServes { environment } => format!("run `crmctl deploy {environment}`"),
            Self::NothingToGoBackTo { environment, .. } | Self::Unfit { environment, .. } => {
                format!("run `crmctl history {environment}` to see the releases")
            }
        })
    }
}
