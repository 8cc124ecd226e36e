//! What a release finds in its environment. What the operator gave is kept with the release at its first start
//! and never changes, since it is part of the release's id; what crmctl knows of the place is asked anew at
//! every start.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Error as IoError, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::supervisor::protocol::{Drain, Variable};

/// Version of the file.
const SCHEMA: u32 = 1;
/// What tells a release which one it is.
const IDENTITY: &str = "CRM_RELEASE";

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
    #[error("cannot {what} `{}`: {source}", path.display())]
    Io { path: PathBuf, what: &'static str, source: IoError },
    #[error("`{}` is no environment of a release: {reason}", path.display())]
    Broken { path: PathBuf, reason: String },
}

impl EnvironmentError {
    /// The next action.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown(_) | Self::Io { .. } => None,
            Self::Broken { path, .. } => {
                Some(format!("remove `{}`: the next start takes today's configuration", path.display()))
            }
        }
    }
}

/// Content of `releases/<id>/environment`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    schema: u32,
    given: Vec<Variable>,
}

impl ReleaseEnvironment {
    /// Everything that the release in `directory` finds, besides its sockets.
    pub(super) fn of(&self, release: &str, directory: &Path) -> Result<Vec<Variable>, EnvironmentError> {
        let given = self.given_to(directory)?;
        let own = (self.own)().map_err(EnvironmentError::Unknown)?;
        let mut all: BTreeMap<String, SecretString> = plain(own);
        all.extend(given.into_iter().map(|variable| (variable.name, variable.value)));
        all.insert(IDENTITY.to_owned(), release.into());
        Ok(all.into_iter().map(|(name, value)| Variable { name, value }).collect())
    }

    /// As it was when the release was first started; this may be that time.
    fn given_to(&self, directory: &Path) -> Result<Vec<Variable>, EnvironmentError> {
        let path = directory.join("environment");
        if let Some(kept) = read(&path)? {
            return Ok(kept);
        }
        let given = plain((self.given)().map_err(EnvironmentError::Unknown)?);
        let given: Vec<Variable> = given.into_iter().map(|(name, value)| Variable { name, value }).collect();
        if !directory.is_dir() {
            // There is no such release, as whoever starts it will say.
            return Ok(given);
        }
        write(&path, &Kept { schema: SCHEMA, given }).map_err(|source| EnvironmentError::Io {
            path: path.clone(),
            what: "write",
            source,
        })?;
        // Whoever was faster wrote what counts.
        read(&path)?.ok_or_else(|| EnvironmentError::Broken { path, reason: "it vanished".into() })
    }
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

fn plain(variables: Vec<EnvironmentVariable>) -> BTreeMap<String, SecretString> {
    variables.into_iter().map(|variable| (variable.name, variable.value)).collect()
}

fn read(path: &Path) -> Result<Option<Vec<Variable>>, EnvironmentError> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(source) => return Err(EnvironmentError::Io { path: path.to_owned(), what: "read", source }),
    };
    let broken = |reason: String| EnvironmentError::Broken { path: path.to_owned(), reason };
    // Of a mistake only the place is told: the text around it may be a secret.
    let kept: Kept = serde_json::from_slice(&text)
        .map_err(|error| broken(format!("line {} column {}", error.line(), error.column())))?;
    if kept.schema == SCHEMA { Ok(Some(kept.given)) } else { Err(broken(format!("schema {}", kept.schema))) }
}

/// Whole or not at all, and never over what is there.
fn write(path: &Path, kept: &Kept) -> Result<(), IoError> {
    let beside = path.with_extension(format!("new-{}", std::process::id()));
    let _ = std::fs::remove_file(&beside);
    let written = fill(&beside, kept).and_then(|()| match std::fs::hard_link(&beside, path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    });
    let _ = std::fs::remove_file(&beside);
    written?;
    File::open(path.parent().expect("a file in a directory"))?.sync_all()
}

fn fill(path: &Path, kept: &Kept) -> Result<(), IoError> {
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(&serde_json::to_vec(kept).expect("plain data"))?;
    file.sync_all()
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
