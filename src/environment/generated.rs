//! Secrets that crmctl makes for an embedded environment, in `secrets.env` of its state directory. Made by the
//! first effect that needs them, never by planning. A file that is there is never written again: the operator
//! may rotate a value in it, and what cannot be read is told with its line.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Error as IoError, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rand::Rng;
use secrecy::{ExposeSecret, SecretString};

use super::document::Mistake;
use super::{keys, secrets};

/// Passwords of the private PostgreSQL's roles and the signing key of the backend.
#[derive(Clone)]
pub struct GeneratedSecrets {
    /// Superuser `postgres`.
    pub superuser_password: SecretString,
    /// Role `crm_migrator`.
    pub migrator_password: SecretString,
    /// Role `crm_app`.
    pub app_password: SecretString,
    /// Signs access tokens.
    pub jwt_secret: SecretString,
}

const NAMES: [&str; 4] =
    ["POSTGRES_SUPERUSER_PASSWORD", "POSTGRES_MIGRATOR_PASSWORD", "POSTGRES_APP_PASSWORD", "JWT_SECRET"];

/// Why the file gives no secrets.
#[derive(Debug, thiserror::Error)]
pub enum GeneratedError {
    /// Something in it is wrong; every mistake on a line of its own.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Wrong(Vec<Mistake>),
    /// It cannot be written.
    #[error("`{}` cannot be written", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: IoError,
    },
}

impl GeneratedError {
    /// The next action.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Wrong(_) => Some(
                "mend that line or bring the file back from a copy; the database knows the passwords in it, and \
                 without them only `crmctl down … --purge` is left"
                    .into(),
            ),
            Self::Unwritable { source, .. } if source.kind() == ErrorKind::StorageFull => {
                Some("free some space".into())
            }
            Self::Unwritable { .. } => None,
        }
    }
}

impl GeneratedSecrets {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &SecretString> {
        [&self.superuser_password, &self.migrator_password, &self.app_password, &self.jwt_secret].into_iter()
    }

    /// Reads the file; none when there is none.
    ///
    /// # Errors
    /// It is there and cannot be read, others can read it, or a line of it is wrong or missing.
    pub fn load(file: &Path) -> Result<Option<Self>, GeneratedError> {
        if std::fs::symlink_metadata(file).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            return Ok(None);
        }
        let text = super::document::read(file).map_err(|mistake| GeneratedError::Wrong(vec![mistake]))?;
        let mut mistakes: Vec<Mistake> = secrets::too_open(file).into_iter().collect();
        let mut values = parse(file, &text, &mut mistakes);
        let mut take = |name: &str| values.remove(name).unwrap_or_default();
        let secrets = Self {
            superuser_password: take(NAMES[0]),
            migrator_password: take(NAMES[1]),
            app_password: take(NAMES[2]),
            jwt_secret: take(NAMES[3]),
        };
        if mistakes.is_empty() { Ok(Some(secrets)) } else { Err(GeneratedError::Wrong(mistakes)) }
    }

    /// Reads the file, or writes one where there is none (0600, durable before it is used).
    ///
    /// # Errors
    /// As [`Self::load`], and when the directory cannot be written.
    pub fn load_or_create(file: &Path) -> Result<Self, GeneratedError> {
        if let Some(secrets) = Self::load(file)? {
            return Ok(secrets);
        }
        let fresh = || SecretString::from(hex::encode(rand::rng().random::<[u8; 24]>()));
        let secrets = Self {
            superuser_password: fresh(),
            migrator_password: fresh(),
            app_password: fresh(),
            jwt_secret: fresh(),
        };
        let written = secrets.write(file);
        written.map_err(|source| GeneratedError::Unwritable { path: file.to_owned(), source })?;
        Ok(secrets)
    }

    /// Whole or not at all, and never over a file that came up in the meantime.
    fn write(&self, file: &Path) -> std::io::Result<()> {
        let values =
            [&self.superuser_password, &self.migrator_password, &self.app_password, &self.jwt_secret];
        let text: String = NAMES
            .iter()
            .zip(values)
            .map(|(name, value)| format!("{name}={}\n", value.expose_secret()))
            .collect();
        let fresh = file.with_extension("env.new");
        let _ = std::fs::remove_file(&fresh);
        let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        out.write_all(text.as_bytes())?;
        out.sync_all()?;
        std::fs::hard_link(&fresh, file)?;
        std::fs::remove_file(&fresh)?;
        file.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
    }
}

/// Exactly the four values, each fit for its use.
fn parse(file: &Path, text: &str, mistakes: &mut Vec<Mistake>) -> BTreeMap<String, SecretString> {
    let mut values = BTreeMap::new();
    let mut wrong =
        |line: usize, message: String| mistakes.push(Mistake { file: file.to_owned(), line, message });
    for (index, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line.trim())) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = match secrets::parse_line(line) {
            Ok(parsed) => parsed,
            Err(message) => {
                wrong(index, message);
                continue;
            }
        };
        if !NAMES.contains(&name.as_str()) {
            let wanted =
                "crmctl keeps only its own four keys here; give others in the environment's `secrets_file`";
            wrong(index, format!("`{name}` has no use: {wanted}"));
        } else if let Some(weakness) = weakness(&name, value.expose_secret()) {
            wrong(index, weakness);
        }
        if values.insert(name.clone(), value).is_some() {
            wrong(index, format!("`{name}` is given twice"));
        }
    }
    let end = text.lines().count() + 1;
    for name in NAMES.iter().filter(|name| !values.contains_key(**name)) {
        wrong(end, format!("`{name}` is missing"));
    }
    values
}

/// The signing key must be what the backend takes; a password only has to be one.
fn weakness(name: &str, value: &str) -> Option<String> {
    match keys::find(name) {
        Some(key) => super::weakness::weakness(key, value),
        None => value.is_empty().then(|| format!("`{name}` is empty")),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const WHOLE: &str =
        "POSTGRES_SUPERUSER_PASSWORD=one\nPOSTGRES_MIGRATOR_PASSWORD=two\nPOSTGRES_APP_PASSWORD=three\n";
    const KEY: &str = "JWT_SECRET=0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0";

    /// The file with `text`, read by the call that may also make it; it must be as before afterwards.
    fn read(text: &str) -> Result<GeneratedSecrets, String> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("secrets.env");
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
        let read = GeneratedSecrets::load_or_create(&file);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text, "the file was written");
        read.map_err(|error| {
            assert!(error.hint().unwrap().contains("--purge"));
            error.to_string().replace(&file.display().to_string(), "secrets.env")
        })
    }

    #[test]
    fn secrets_are_made_once_and_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("secrets.env");
        assert!(GeneratedSecrets::load(&file).unwrap().is_none());
        let first = GeneratedSecrets::load_or_create(&file).unwrap();
        let second = GeneratedSecrets::load_or_create(&file).unwrap();
        assert_eq!(first.jwt_secret.expose_secret(), second.jwt_secret.expose_secret());
        assert_ne!(first.jwt_secret.expose_secret(), first.app_password.expose_secret());
        let names: Vec<_> = std::fs::read_dir(directory.path()).unwrap().flatten().collect();
        assert_eq!(names.len(), 1, "{names:?}");
    }

    #[test]
    fn a_rotated_signing_key_of_any_length_is_kept() {
        let key = KEY.split_once('=').unwrap().1;
        let texts = [
            format!("{WHOLE}{KEY}\n"),
            format!("{WHOLE}{KEY}  \r\n"),
            format!("{KEY}\n\n# by hand\n{WHOLE}"),
        ];
        for text in texts {
            let secrets = read(&text).ok().unwrap();
            assert_eq!(secrets.jwt_secret.expose_secret(), key);
            assert_eq!(secrets.superuser_password.expose_secret(), "one");
        }
    }

    #[test]
    fn every_mistake_has_its_line_and_nothing_is_overwritten() {
        let text = "POSTGRES_SUPERUSER_PASSWORD=\nPOSTGRES_APP_PASSWORD=x\nPOSTGRES_APP_PASSWORD=y\nREDIS_PASSWORD=z\n\
                    JWT_SECRET=abc\nwhat\n";
        insta::assert_snapshot!(read(text).err().unwrap());
    }

    #[test]
    fn an_empty_file_is_no_missing_one() {
        assert!(read("").err().unwrap().contains("secrets.env:1: `JWT_SECRET` is missing"));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("secrets.env");
        std::fs::create_dir(&file).unwrap();
        assert!(GeneratedSecrets::load_or_create(&file).is_err());
        std::fs::remove_dir(&file).unwrap();
        std::fs::write(&file, [0xff, 0xfe]).unwrap();
        assert!(GeneratedSecrets::load_or_create(&file).is_err());
        assert_eq!(std::fs::read(&file).unwrap(), [0xff, 0xfe]);
        std::fs::write(&file, format!("{WHOLE}{KEY}\n")).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
        let error = GeneratedSecrets::load_or_create(&file).err().unwrap();
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_directory_that_is_missing_is_told() {
        let error = GeneratedSecrets::load_or_create(Path::new("/nowhere/secrets.env")).err().unwrap();
        assert!(error.to_string().contains("cannot be written"), "{error}");
    }
}
