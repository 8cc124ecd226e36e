//! Secrets that crmctl makes for an embedded environment, in `secrets.env` of its state directory. Made by the
//! first effect that needs them, never by planning.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rand::Rng;
use secrecy::{ExposeSecret, SecretString};

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

impl GeneratedSecrets {
    /// Reads the file, if it is there and whole.
    pub fn load(file: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(file).ok()?;
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            line.filter(|value| value.len() == 48).map(SecretString::from)
        };
        Some(Self {
            superuser_password: value(NAMES[0])?,
            migrator_password: value(NAMES[1])?,
            app_password: value(NAMES[2])?,
            jwt_secret: value(NAMES[3])?,
        })
    }

    /// Reads the file or writes a new one (0600, durable before it is used).
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn load_or_create(file: &Path) -> std::io::Result<Self> {
        if let Some(secrets) = Self::load(file) {
            return Ok(secrets);
        }
        let fresh = || SecretString::from(hex::encode(rand::rng().random::<[u8; 24]>()));
        let secrets = Self {
            superuser_password: fresh(),
            migrator_password: fresh(),
            app_password: fresh(),
            jwt_secret: fresh(),
        };
        secrets.write(file)?;
        Ok(secrets)
    }

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
        let mut out = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        out.write_all(text.as_bytes())?;
        out.sync_all()?;
        std::fs::rename(&fresh, file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_made_once_and_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("secrets.env");
        let first = GeneratedSecrets::load_or_create(&file).unwrap();
        let second = GeneratedSecrets::load_or_create(&file).unwrap();
        assert_eq!(first.jwt_secret.expose_secret(), second.jwt_secret.expose_secret());
        assert_ne!(first.jwt_secret.expose_secret(), first.app_password.expose_secret());
    }

    #[test]
    fn a_torn_file_is_no_secrets() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("secrets.env");
        std::fs::write(&file, "JWT_SECRET=abc\n").unwrap();
        assert!(GeneratedSecrets::load(&file).is_none());
    }
}
