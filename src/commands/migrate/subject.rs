//! What a verb of migrate deals with: migration files, and the database they belong to.

use std::path::{Path, PathBuf};

use ::migrate::{Database, MigrationSet};
use secrecy::SecretString;

use super::failed;
use crate::cli::MigrateTarget;
use crate::error::{Error, chain};
use crate::site::Site;
use crate::site::database::{self, Reach};
use crate::source::MIGRATIONS;

/// Files and database.
pub(super) struct Subject {
    /// The environment, or the directory.
    pub(super) name: String,
    files: PathBuf,
    /// Absent while the database was never made.
    pub(super) dsn: Option<SecretString>,
}

impl Subject {
    /// Those of an environment.
    ///
    /// # Errors
    /// Its database exists and cannot be asked.
    pub(super) fn of_site(site: &Site, root: &Path) -> Result<Self, Error> {
        let name = site.environment.facts.name.clone();
        let dsn = match database::reach(site) {
            Reach::Dsn(dsn) => Some(dsn),
            Reach::Absent => None,
            Reach::Down(reason) => {
                let message = format!("the database of `{name}` cannot be asked: {reason}");
                return Err(
                    Error::refused(message).hint(format!("run `crmctl deploy {name}`, which starts it"))
                );
            }
        };
        Ok(Self { name, files: root.join(MIGRATIONS), dsn })
    }

    /// Those that `--dir` and `--dsn-env` name.
    ///
    /// # Errors
    /// One of them is missing.
    pub(super) fn elsewhere(target: &MigrateTarget) -> Result<Self, Error> {
        let (Some(directory), Some(variable)) = (&target.dir, &target.dsn_env) else {
            return Err(Error::usage("`--dir DIR` and `--dsn-env NAME` belong together"));
        };
        let dsn = std::env::var(variable).map_err(|_| {
            Error::refused(format!("variable `{variable}` with the DSN is not set"))
                .hint(format!("run `export {variable}=postgresql://…`"))
        })?;
        Ok(Self { name: directory.display().to_string(), files: directory.clone(), dsn: Some(dsn.into()) })
    }

    pub(super) fn set(&self) -> Result<MigrationSet, Error> {
        MigrationSet::load(&self.files).map_err(|error| {
            let refused = Error::refused(chain(&error));
            match error.hint() {
                Some(hint) => refused.hint(hint),
                None => refused,
            }
        })
    }

    pub(super) fn database(&self, run: &str) -> Result<Database, Error> {
        let dsn = self.dsn.as_ref().ok_or_else(|| {
            Error::refused(format!("the database of `{}` does not exist yet", self.name))
                .hint(format!("run `crmctl deploy {}`", self.name))
        })?;
        Database::new(dsn, run).map_err(|error| failed(&error))
    }
}
