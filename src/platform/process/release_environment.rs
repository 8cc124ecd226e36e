//! What a release finds in its environment. What the operator gave is kept with the release at its first start
//! and never changes, since it is part of the release's id; what crmctl knows of the place is asked anew at
//! every start.

use std::path::Path;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use crate::supervisor::kept_environment::{KeptEnvironment, KeptEnvironmentError};
use crate::supervisor::protocol::{Drain, Variable};

/// Gives variables, or why they cannot be had.
pub type Variables = Arc<dyn Fn() -> Result<Vec<EnvironmentVariable>, String> + Send + Sync>;

/// Where the variables of releases come from.
#[derive(Clone)]
pub struct ReleaseEnvironment {
    /// What the operator gave. Asked once per release.
    pub given: Variables,
    /// Addresses and secrets that crmctl makes. Asked at every start, since an earlier step makes some and a
    /// reboot moves others. What was given wins.
    pub own: Variables,
}

/// One variable for releases; the value may be a secret.
#[derive(Clone)]
pub struct EnvironmentVariable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: SecretString,
}

impl EnvironmentVariable {
    /// A variable.
    pub fn new(name: impl Into<String>, value: impl Into<SecretString>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

/// Why a release cannot be configured.
#[derive(Debug, thiserror::Error)]
pub(super) enum EnvironmentError {
    #[error("{0}")]
    Unknown(String),
    #[error(transparent)]
    Kept(#[from] KeptEnvironmentError),
}

impl EnvironmentError {
    /// The next action.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::Kept(KeptEnvironmentError::Broken { path, .. }) => {
                Some(format!("remove `{}`: the next start takes today's configuration", path.display()))
            }
            Self::Unknown(_) | Self::Kept(_) => None,
        }
    }
}

impl ReleaseEnvironment {
    /// Everything that the release in `directory` finds, besides its sockets. Kept there, when there is one.
    pub(super) fn of(&self, release: &str, directory: &Path) -> Result<Vec<Variable>, EnvironmentError> {
        let given = match KeptEnvironment::read(directory)? {
            Some(kept) => kept.given,
            None => asked(&self.given)?,
        };
        let environment = KeptEnvironment::new(given, asked(&self.own)?);
        // Without a directory there is no such release, as whoever starts it will say.
        if directory.is_dir() {
            environment.write(directory)?;
        }
        Ok(environment.variables(release))
    }
}

fn asked(variables: &Variables) -> Result<Vec<Variable>, EnvironmentError> {
    let variables = variables().map_err(EnvironmentError::Unknown)?;
    let variable = |EnvironmentVariable { name, value }| Variable { name, value };
    Ok(variables.into_iter().map(variable).collect())
}

/// How long a release with these variables may take to leave. Names and defaults are the server's own.
pub(super) fn drain_of(variables: &[Variable]) -> Drain {
    let seconds = |name: &str, otherwise: u64| {
        let found = variables.iter().find(|variable| variable.name == name);
        found.and_then(|found| found.value.expose_secret().parse().ok()).unwrap_or(otherwise)
    };
    let usual = Drain::default();
    Drain {
        seconds: seconds("DRAIN_SECONDS", usual.seconds),
        request_seconds: seconds("REQUEST_TIMEOUT_SECONDS", usual.request_seconds),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn giving(pairs: &'static [(&str, &str)]) -> Variables {
        Arc::new(|| Ok(pairs.iter().map(|(name, value)| EnvironmentVariable::new(*name, *value)).collect()))
    }

    fn broken() -> Variables {
        Arc::new(|| Err("`.env.local` has mode 0644".to_owned()))
    }

    fn told(environment: &ReleaseEnvironment, directory: &Path) -> Vec<(String, String)> {
        let variables = environment.of("r", directory).unwrap();
        variables.into_iter().map(|found| (found.name, found.value.expose_secret().to_owned())).collect()
    }

    #[test]
    fn what_was_given_first_stays_and_what_crmctl_knows_is_asked_again() {
        let place = tempfile::tempdir().unwrap();
        const ODD: &str = "a=\"b\"\n$c 'd' \\ñ";
        let first =
            ReleaseEnvironment { given: giving(&[("A", ODD)]), own: giving(&[("A", "no"), ("B", "1")]) };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(told(&first, place.path()), [pair("A", ODD), pair("B", "1"), pair("CRM_RELEASE", "r")]);
        let file = place.path().join("environment");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1, "something is left beside it");
        let later = ReleaseEnvironment { given: broken(), own: giving(&[("B", "2")]) };
        assert_eq!(told(&later, place.path()), [pair("A", ODD), pair("B", "2"), pair("CRM_RELEASE", "r")]);
    }

    #[test]
    fn configuration_that_cannot_be_had_starts_nothing_and_keeps_nothing() {
        let place = tempfile::tempdir().unwrap();
        let environment = ReleaseEnvironment { given: broken(), own: giving(&[]) };
        let error = environment.of("r", place.path()).unwrap_err();
        assert!(error.to_string().contains("mode 0644"), "{error}");
        assert!(!place.path().join("environment").exists());
    }

    #[test]
    fn torn_file_is_named_with_its_next_action_and_never_shows_a_value() {
        let place = tempfile::tempdir().unwrap();
        let text = r#"{"schema":1,"given":[{"name":"JWT_SECRET","value":"hush"},{"nam"#;
        std::fs::write(place.path().join("environment"), text).unwrap();
        let environment = ReleaseEnvironment { given: giving(&[]), own: giving(&[]) };
        let error = environment.of("r", place.path()).unwrap_err();
        assert!(error.to_string().contains("environment") && !error.to_string().contains("hush"), "{error}");
        assert!(error.hint().unwrap().starts_with("remove"), "{error}");
    }

    #[test]
    fn time_to_leave_is_what_the_server_will_take() {
        let variable = |name: &str, value: &str| Variable { name: name.into(), value: value.into() };
        assert_eq!(drain_of(&[]), Drain { seconds: 10, request_seconds: 30 });
        let both = [variable("DRAIN_SECONDS", "60"), variable("REQUEST_TIMEOUT_SECONDS", "120")];
        assert_eq!(drain_of(&both), Drain { seconds: 60, request_seconds: 120 });
    }
}
