//! The secrets file and the process environment, validated together. Values never appear in a message.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::document::Mistake;
use super::keys::{self, Strength};
use super::weakness::{weakness, weakness_as, webhook_weakness};
use crate::error::did_you_mean;

/// Values by key.
#[derive(Clone, Default)]
pub struct Secrets {
    values: BTreeMap<String, SecretString>,
    /// Where each was written: file and line, for messages of later checks.
    places: BTreeMap<String, (PathBuf, usize)>,
    /// Keys that the environment file names: each holds a DSN.
    named: Vec<String>,
}

impl Secrets {
    /// Reads the file (when there is one) and then the process environment, which wins. `named` are keys that the
    /// environment file gives to DSNs, `webhook` is the key of the chat's address, under whatever name.
    ///
    /// # Errors
    /// Every mistake in the file: permissions, syntax, placeholders, weak values, near misses of known keys.
    pub fn load(
        file: Option<&Path>,
        named: &[&str],
        webhook: Option<&str>,
        process: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Vec<Mistake>> {
        let (secrets, mistakes) = Self::read(file, named, webhook, process);
        if mistakes.is_empty() { Ok(secrets) } else { Err(mistakes) }
    }

    /// The same, with what can be read beside what is wrong.
    pub fn read(
        file: Option<&Path>,
        named: &[&str],
        webhook: Option<&str>,
        process: impl Fn(&str) -> Option<String>,
    ) -> (Self, Vec<Mistake>) {
        let named = named.iter().map(|&name| name.to_owned()).collect();
        let mut secrets = Self { named, ..Self::default() };
        let mut mistakes = Vec::new();
        if let Some(file) = file {
            match super::document::read(file) {
                Ok(text) => {
                    mistakes.extend(too_open(file));
                    secrets.parse(file, &text, &mut mistakes);
                }
                Err(mistake) => mistakes.push(mistake),
            }
        }
        let known = keys::KEYS.iter().map(|key| key.name.to_owned()).chain(secrets.named.clone());
        let known = known.chain(webhook.map(str::to_owned));
        for name in known {
            if let Some(value) = process(&name).filter(|value| !value.is_empty()) {
                secrets.places.insert(name.clone(), (PathBuf::from("process environment"), 0));
                secrets.values.insert(name, value.into());
            }
        }
        mistakes.extend(secrets.judge(webhook));
        (secrets, mistakes)
    }

    /// File and line where `key` was read; line 0 of `process environment` when it came from there.
    pub fn place(&self, key: &str) -> Option<(&Path, usize)> {
        self.places.get(key).map(|(file, line)| (file.as_path(), *line))
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&SecretString> {
        self.values.get(key)
    }

    /// Puts in a value that crmctl made itself, unless the operator gave one.
    pub fn or_insert(&mut self, key: &str, value: SecretString) {
        self.values.entry(key.to_owned()).or_insert(value);
    }

    /// All keys with their values, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &SecretString)> {
        self.values.iter().map(|(key, value)| (key.as_str(), value))
    }

    fn parse(&mut self, file: &Path, text: &str, mistakes: &mut Vec<Mistake>) {
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match parse_line(line) {
                Ok((key, value)) => {
                    if self.places.contains_key(&key) {
                        mistakes.push(mistake(file, index + 1, format!("`{key}` is given twice")));
                    }
                    self.places.insert(key.clone(), (file.to_owned(), index + 1));
                    self.values.insert(key, value);
                }
                Err(message) => mistakes.push(mistake(file, index + 1, message)),
            }
        }
    }

    /// What is wrong with the values as they stand.
    fn judge(&self, webhook: Option<&str>) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        for (key, value) in &self.values {
            let (file, line) = self.places.get(key).cloned().unwrap_or_default();
            let problem = match keys::find(key) {
                _ if self.named.contains(key) => {
                    let own = keys::find(key).filter(|known| known.strength == Strength::Dsn);
                    let dsn = own.or(keys::find("POSTGRES_DSN")).expect("it is in the table");
                    weakness_as(key, dsn, value.expose_secret())
                }
                _ if webhook == Some(key) => webhook_weakness(key, value.expose_secret()),
                Some(known) => weakness(known, value.expose_secret()),
                None => did_you_mean(key, keys::KEYS.iter().map(|key| key.name))
                    .filter(|meant| strsim::damerau_levenshtein(key, meant) <= 2)
                    .map(|meant| format!("unknown key `{key}`; did you mean `{meant}`?")),
            };
            mistakes.extend(problem.map(|message| Mistake { file, line, message }));
        }
        mistakes
    }
}

/// One `KEY=value` line. `$` would be replaced silently outside single quotes, so it is refused there.
pub(super) fn parse_line(line: &str) -> Result<(String, SecretString), String> {
    let (key, raw) = line
        .strip_prefix("export ")
        .unwrap_or(line)
        .split_once('=')
        .ok_or_else(|| "is no `KEY=value` line".to_owned())?;
    let key = key.trim().to_owned();
    if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err("the part before `=` is no name (letters, digits, `_`)".to_owned());
    }
    if raw.contains('$') && !raw.trim().starts_with('\'') {
        return Err(format!(
            "`{key}` has a `$` outside single quotes, which would be replaced; quote it: '…'"
        ));
    }
    let mut parsed = dotenvy::from_read_iter(line.as_bytes());
    match parsed.next() {
        Some(Ok((_, value))) => Ok((key, value.into())),
        // The library's error shows the value.
        Some(Err(_)) | None => Err(format!("`{key}` cannot be read; quote its value: '…'")),
    }
}

/// A secrets file is for its owner alone.
pub fn too_open(file: &Path) -> Option<Mistake> {
    let mode = std::fs::metadata(file).ok()?.permissions().mode() & 0o777;
    let message = format!("can be read by others (mode {mode:04o}); run `chmod 600 {}`", file.display());
    (mode & 0o077 != 0).then(|| mistake(file, 0, message))
}

fn mistake(file: &Path, line: usize, message: String) -> Mistake {
    Mistake { file: file.to_owned(), line, message }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn load(text: &str) -> Result<Secrets, Vec<String>> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        Secrets::load(Some(file.path()), &[], None, |_| None).map_err(|mistakes| {
            mistakes.iter().map(|mistake| format!("{}: {}", mistake.line, mistake.message)).collect()
        })
    }

    #[test]
    fn every_mistake_of_a_file_is_told_with_its_line_and_without_its_value() {
        let text = "JWT_SECRET=changeme-changeme-changeme-changeme\n\
                    REDIS_PASSWORD=short\nENABLE_NOTIFICATIONS=yes\nPOSTGRES_DNS=x\nA b=c\nB=pa$sword\n";
        let mistakes = load(text).err().unwrap();
        insta::assert_snapshot!(mistakes.join("\n"));
        assert!(!mistakes.join("\n").contains("pa$sword"));
    }

    #[test]
    fn single_quotes_keep_a_dollar() {
        let secrets = load("REDIS_PASSWORD='pa$sword123'\n").ok().unwrap();
        assert_eq!(secrets.get("REDIS_PASSWORD").unwrap().expose_secret(), "pa$sword123");
    }

    #[test]
    fn what_stands_in_a_configuration_as_it_is_is_a_word() {
        assert!(load("CANDIDATE_KEY=0123456789abcdef\n").is_ok());
        for bad in ["short", "'0123456789abcdef }'", "0123456789abcde/"] {
            let mistakes = load(&format!("CANDIDATE_KEY={bad}\n")).err().unwrap();
            assert!(mistakes[0].contains("letters, digits"), "{mistakes:?}");
        }
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
        let mistakes = Secrets::load(Some(file.path()), &[], None, |_| None).err().unwrap();
        assert!(mistakes[0].message.contains("mode 0644"), "{mistakes:?}");
    }

    #[test]
    fn the_process_environment_wins() {
        let process = |key: &str| (key == "LOG_LEVEL").then(|| "DEBUG".to_owned());
        let secrets = Secrets::load(None, &[], None, process).ok().unwrap();
        assert_eq!(secrets.get("LOG_LEVEL").unwrap().expose_secret(), "DEBUG");
    }

    #[test]
    fn keys_that_the_environment_file_names_are_read_and_judged_like_the_usual_ones() {
        let named = ["STAGING_DSN", "STAGING_MIGRATOR_DSN"];
        let process = |key: &str| {
            let good = "postgresql://app:0f1e2d3c@db:5432/crm".to_owned();
            (key == "STAGING_DSN").then_some(good)
        };
        let secrets = Secrets::load(None, &named, None, process).ok().unwrap();
        assert!(secrets.get("STAGING_DSN").is_some());
        let process = |key: &str| (key == "STAGING_MIGRATOR_DSN").then(|| "changeme".to_owned());
        let mistakes = Secrets::load(None, &named, None, process).err().unwrap();
        assert!(mistakes[0].message.contains("`STAGING_MIGRATOR_DSN` is a placeholder"), "{mistakes:?}");
        let secrets =
            Secrets::load(None, &[], None, |key| (key == "STAGING_DSN").then(String::new)).ok().unwrap();
        assert!(secrets.get("STAGING_DSN").is_none());
    }
}
