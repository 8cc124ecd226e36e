//! `releases/<id>/environment`: what a release finds in its environment, kept with it. What was given at its
//! first start never changes; what crmctl made itself is that of its last start, for who starts it again alone.

use std::fs::File;
use std::io::{Error as IoError, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::protocol::Variable;

/// Version of the file.
const SCHEMA: u32 = 1;

/// Content of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeptEnvironment {
    schema: u32,
    /// From the operator.
    pub(crate) given: Vec<Variable>,
    /// From crmctl.
    own: Vec<Variable>,
}

/// Why it cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeptEnvironmentError {
    #[error("cannot {what} `{}`: {source}", path.display())]
    Io { path: PathBuf, what: &'static str, source: IoError },
    #[error("`{}` is no environment of a release: {reason}", path.display())]
    Broken { path: PathBuf, reason: String },
}

impl KeptEnvironment {
    pub(crate) fn new(given: Vec<Variable>, own: Vec<Variable>) -> Self {
        Self { schema: SCHEMA, given, own }
    }

    fn path(release: &Path) -> PathBuf {
        release.join("environment")
    }

    /// That of the release in this directory, once it has been started.
    pub(crate) fn read(release: &Path) -> Result<Option<Self>, KeptEnvironmentError> {
        let path = Self::path(release);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(source) => return Err(KeptEnvironmentError::Io { path, what: "read", source }),
        };
        let broken = |reason: String| KeptEnvironmentError::Broken { path: path.clone(), reason };
        // Of a mistake only the place is told: the text around it may be a secret.
        let kept: Self = serde_json::from_slice(&text)
            .map_err(|error| broken(format!("line {} column {}", error.line(), error.column())))?;
        if kept.schema == SCHEMA { Ok(Some(kept)) } else { Err(broken(format!("schema {}", kept.schema))) }
    }

    /// Replaces the file, whole or not at all; when this returns it is on the disk.
    pub(crate) fn write(&self, release: &Path) -> Result<(), KeptEnvironmentError> {
        let path = Self::path(release);
        let beside = path.with_extension(format!("new-{}", std::process::id()));
        let _ = std::fs::remove_file(&beside);
        let written = self.fill(&beside).and_then(|()| std::fs::rename(&beside, &path));
        if written.is_err() {
            let _ = std::fs::remove_file(&beside);
        }
        let durable = written.and_then(|()| File::open(release)?.sync_all());
        durable.map_err(|source| KeptEnvironmentError::Io { path, what: "write", source })
    }

    fn fill(&self, path: &Path) -> Result<(), IoError> {
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(&serde_json::to_vec(self).expect("plain data"))?;
        file.sync_all()
    }

    /// Everything: what was given wins over what crmctl makes, and its identity over both.
    pub(crate) fn variables(self, release: &str) -> Vec<Variable> {
        let mut all = std::collections::BTreeMap::new();
        for variable in self.own.into_iter().chain(self.given) {
            all.insert(variable.name, variable.value);
        }
        all.insert("CRM_RELEASE".to_owned(), release.into());
        all.into_iter().map(|(name, value)| Variable { name, value }).collect()
    }
}
