//! A secrets file as text, and how it comes onto the disk: 0600 from its first byte, whole or not at all, and never over
//! a value that is there.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{Error as IoError, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use rand::Rng;

use super::entries::Entry;
use super::keys::{Key, Origin, Topic};

/// What stands behind a key in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fill {
    /// A strong value that was made.
    Made,
    /// The usual one.
    Usual,
    /// A place that somebody fills in.
    ToFillIn,
    /// Nothing: the line is a comment.
    Optional,
}

impl Fill {
    /// What stands behind this entry in a new file.
    pub fn of(entry: &Entry) -> Self {
        match (entry.facts().origin, entry.wanted) {
            (Origin::Usual(_), _) => Self::Usual,
            (_, false) => Self::Optional,
            (Origin::Made(_), true) => Self::Made,
            (Origin::MadeFor(_) | Origin::Asked, true) => Self::ToFillIn,
        }
    }
}

/// The text of a new file for these entries, topic by topic. `making`: with fresh values; without, as an example.
pub fn text(head: &str, entries: &[Entry], making: bool) -> String {
    let mut text = head.to_owned();
    for topic in Topic::ALL {
        let of_topic: Vec<&Entry> = entries.iter().filter(|entry| entry.facts().topic == topic).collect();
        if !of_topic.is_empty() {
            text.push_str(&format!("\n# --- {} ---\n", topic.heading()));
            text.extend(of_topic.into_iter().map(|entry| lines(entry, making)));
        }
    }
    text
}

/// The purpose of an entry and its line.
pub fn lines(entry: &Entry, making: bool) -> String {
    let (key, name) = (entry.facts(), &entry.name);
    let line = match Fill::of(entry) {
        Fill::Optional => format!("# {name}="),
        _ => format!("{name}={}", value(key, making)),
    };
    format!("# {}\n{line}\n", key.purpose)
}

fn value(key: &Key, making: bool) -> String {
    match key.origin {
        Origin::Made(bytes) if making => random(bytes),
        Origin::Made(_) => "'<made by crmctl env init>'".to_owned(),
        Origin::MadeFor(role) => {
            let password = if making { random(24) } else { "<password>".to_owned() };
            format!("postgresql://{role}:{password}@<host>:5432/<database>")
        }
        Origin::Asked => format!("'<{}>'", key.purpose),
        Origin::Usual(value) => value.to_owned(),
    }
}

/// Names of the keys in the text of a secrets file, also of those whose values cannot be read.
pub fn names_in(text: &str) -> BTreeSet<String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let names = lines.filter_map(|line| line.strip_prefix("export ").unwrap_or(line).split_once('='));
    names.map(|(name, _)| name.trim().to_owned()).collect()
}

fn random(bytes: usize) -> String {
    let mut value = vec![0; bytes];
    rand::rng().fill(&mut value[..]);
    hex::encode(value)
}

/// Writes a new file.
///
/// # Errors
/// There is one already, or the directory cannot be written; then nothing is left.
pub fn create(path: &Path, text: &str) -> Result<(), IoError> {
    let beside = beside(path, text, None)?;
    let linked = std::fs::hard_link(&beside, path);
    std::fs::remove_file(&beside)?;
    linked?;
    sync_directory(path)
}

/// Adds lines at the end of a file that is there; what is in it stays byte by byte.
///
/// # Errors
/// It cannot be read or written; then it is as it was.
pub fn append(path: &Path, more: &str) -> Result<(), IoError> {
    let path = std::fs::canonicalize(path)?;
    let mut text = std::fs::read_to_string(&path)?;
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(more);
    let owner = std::fs::metadata(&path)?;
    let beside = beside(&path, &text, Some((owner.uid(), owner.gid())))?;
    std::fs::rename(&beside, &path).inspect_err(|_| drop(std::fs::remove_file(&beside)))?;
    sync_directory(&path)
}

/// The text in a file of its own in the same directory, on the disk; of the same owner as the one it will replace.
fn beside(path: &Path, text: &str, owner: Option<(u32, u32)>) -> Result<PathBuf, IoError> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = path.with_file_name(format!("{name}.new-{}", std::process::id()));
    let _ = std::fs::remove_file(&beside);
    let written =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).and_then(|mut file| {
            if let Some((user, group)) = owner {
                fchown(&file, Some(user), Some(group))?;
            }
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
    written.inspect_err(|_| drop(std::fs::remove_file(&beside)))?;
    Ok(beside)
}

fn sync_directory(path: &Path) -> Result<(), IoError> {
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn entry(key: &'static str, wanted: bool) -> Entry {
        Entry { name: key.to_owned(), key, wanted }
    }

    #[test]
    fn what_can_be_made_is_made_strong_and_differs_each_time() {
        let entries = [entry("JWT_SECRET", true), entry("POSTGRES_DSN", true), entry("LOG_LEVEL", false)];
        let (one, two) = (text("# head\n", &entries, true), text("# head\n", &entries, true));
        assert_ne!(one, two);
        let secret = one.lines().find_map(|line| line.strip_prefix("JWT_SECRET=")).unwrap();
        assert_eq!(secret.len(), 64);
        assert!(one.contains("@<host>:5432/<database>") && one.contains("LOG_LEVEL=INFO\n"), "{one}");
    }

    #[test]
    fn what_is_not_wanted_is_a_comment() {
        assert_eq!(lines(&entry("OPENAI_API_KEY", false), true), "# assistant\n# OPENAI_API_KEY=\n");
        assert_eq!(lines(&entry("REDIS_HOST", true), true), "# cache server\nREDIS_HOST='<cache server>'\n");
    }

    #[test]
    fn example_for_people_is_what_init_would_write_without_values() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let staging =
            crate::environment::LoadedEnvironment::load(&root.join("config"), root, "staging", |_| None);
        let entries = staging.map_err(|error| error.message).unwrap().entries();
        let head = "# Every variable of the environment `staging`. `crmctl env init staging` writes it to `.env.staging`, with strong values\n\
                    # where one can be made; what stands in <…> is filled in by hand, what is a comment may be left out.\n";
        let expected = text(head, &entries, false);
        let file = root.join("config/env.staging.example");
        if std::env::var_os("UPDATE_EXAMPLE").is_some() {
            std::fs::write(&file, &expected).unwrap();
        }
        let found = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(found, expected, "run the test once with UPDATE_EXAMPLE=1");
    }

    #[test]
    fn keys_are_found_whatever_their_values_are() {
        let text = "# A=1\nexport B='2'\n C = <two words>\nnonsense\nD=";
        assert_eq!(names_in(text).into_iter().collect::<Vec<_>>(), ["B", "C", "D"]);
    }

    #[test]
    fn file_is_private_and_never_written_over() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join(".env.staging");
        create(&path, "A=1").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(create(&path, "A=2").unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
        append(&path, "B=2\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "A=1\nB=2\n");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1, "something is left beside it");
        assert!(append(&place.path().join("missing"), "B=2\n").is_err());
    }
}
