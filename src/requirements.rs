//! What preflight asks and `doctor` explains: one file per requirement. Each only looks.

pub mod database;
pub mod dependencies;
pub mod disk;
pub mod engine;
pub mod migrations;
pub mod ports;
pub mod registry;
pub mod release;
pub mod secrets;
pub mod source;
pub mod tools;

use phases::engine::failure::{CheckEvidence, CheckOutcome};
use phases::engine::step::Requirement;

use crate::platform::AnyPlatform;
use crate::site::Site;
use crate::source::Source;

/// Asks one requirement; every line says who looks after it and what to do.
pub async fn ask(site: &Site, source: &Source, requirement: Requirement) -> Vec<CheckEvidence> {
    match requirement {
        Requirement::Source => source::ask(site, source),
        Requirement::Migrations => migrations::ask(site, source).await,
        Requirement::Dependencies => dependencies::ask(site, source),
        Requirement::Tools => tools::ask(site).await,
        Requirement::Disk => disk::ask(site, source),
        Requirement::Ports => ports::ask(site),
        Requirement::Engine => match &site.platform {
            AnyPlatform::Swarm(platform) => engine::ask(platform, &site.environment.facts.name).await,
            AnyPlatform::Process(_) => Vec::new(),
        },
        Requirement::Registry => match &site.platform {
            AnyPlatform::Swarm(platform) => registry::ask(site, platform).await,
            AnyPlatform::Process(_) => Vec::new(),
        },
        Requirement::Secrets => secrets::ask(site, source),
        Requirement::Database => database::ask(site).await,
        Requirement::Release => release::ask(site, source).await,
    }
}

/// A line of preflight's table, without an owner yet.
struct Line {
    name: &'static str,
    owner: &'static str,
}

impl Line {
    const fn new(name: &'static str, owner: &'static str) -> Self {
        Self { name, owner }
    }

    fn passed(&self, actual: impl Into<String>) -> CheckEvidence {
        self.evidence(CheckOutcome::Passed, None, actual.into(), None)
    }

    /// Good enough to go on, worth knowing.
    fn warned(&self, actual: impl Into<String>, hint: impl Into<String>) -> CheckEvidence {
        self.evidence(CheckOutcome::Passed, None, actual.into(), Some(hint.into()))
    }

    fn failed(
        &self,
        expected: impl Into<String>,
        actual: impl Into<String>,
        hint: impl Into<String>,
    ) -> CheckEvidence {
        self.evidence(CheckOutcome::Failed, Some(expected.into()), actual.into(), Some(hint.into()))
    }

    fn evidence(
        &self,
        outcome: CheckOutcome,
        expected: Option<String>,
        actual: String,
        hint: Option<String>,
    ) -> CheckEvidence {
        CheckEvidence {
            check: format!("preflight/{}", self.name),
            outcome,
            expected,
            actual: Some(actual),
            owner: Some(self.owner.to_owned()),
            hint,
            duration_ms: 0.0,
        }
    }
}
