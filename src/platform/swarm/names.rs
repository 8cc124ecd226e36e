//! How everything of an environment is called on an engine, and the labels it carries. Names derive from environment and
//! release, so two environments on one engine never meet, and whatever has lost its label is found by nobody.

use std::collections::HashMap;

use phases::release::ReleaseId;

/// Environment: on everything.
const ENVIRONMENT: &str = "crm.env";
/// What a thing is for.
const KIND: &str = "crm.kind";
/// Fencing token of the run that changed it last.
pub(super) const TOKEN: &str = "crm.token";
/// Release: on services and containers.
pub(super) const RELEASE: &str = "crm.release";
/// What served before.
pub(super) const PREVIOUS: &str = "crm.previous";
/// Longest name of an environment: the name of a release's record, with the environment in it, has 64 characters at most.
/// Source: the engine's rule for names of configs.
pub const LONGEST_ENVIRONMENT: usize = 24;

/// A service of an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// What serves.
    Backend,
    /// What is tried before it serves.
    Candidate,
}

impl Kind {
    /// Those that runs change.
    pub(super) const ALL: [Self; 2] = [Self::Backend, Self::Candidate];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Backend => "backend",
            Self::Candidate => "candidate",
        }
    }
}

/// Names of one environment.
#[derive(Debug, Clone)]
pub(super) struct Names {
    environment: String,
}

impl Names {
    pub(super) fn new(environment: &str) -> Self {
        Self { environment: environment.to_owned() }
    }

    /// Also the name under which the edge finds it.
    pub(super) fn service(&self, kind: Kind) -> String {
        self.of(kind.word())
    }

    pub(super) fn network(&self) -> String {
        format!("crm-{}", self.environment)
    }

    pub(super) fn fence(&self) -> String {
        self.of("fence")
    }

    pub(super) fn record(&self, release: &ReleaseId) -> String {
        self.of(&format!("release-{release}"))
    }

    pub(super) fn edge(&self) -> String {
        self.of("edge")
    }

    fn of(&self, what: &str) -> String {
        format!("crm-{}-{what}", self.environment)
    }

    /// Labels of a thing of this environment.
    pub(super) fn labels(&self, kind: &str) -> HashMap<String, String> {
        HashMap::from([
            (ENVIRONMENT.to_owned(), self.environment.clone()),
            (KIND.to_owned(), kind.to_owned()),
        ])
    }

    /// Finds the things of a kind of this environment, and no others.
    pub(super) fn filter(&self, kind: &str) -> HashMap<String, Vec<String>> {
        let labels = vec![format!("{ENVIRONMENT}={}", self.environment), format!("{KIND}={kind}")];
        HashMap::from([("label".to_owned(), labels)])
    }
}

/// Finds the things of a kind, whatever their environment.
pub(super) fn filter_of_everybody(kind: &str) -> HashMap<String, Vec<String>> {
    HashMap::from([("label".to_owned(), vec![ENVIRONMENT.to_owned(), format!("{KIND}={kind}")])])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_is_one_that_engines_take() {
        let names = Names::new(&"e".repeat(LONGEST_ENVIRONMENT));
        let release = "0123456789ab-dirty.01234567".parse().unwrap();
        assert_eq!(names.record(&release).len(), 64);
    }
}
