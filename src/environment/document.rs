//! Reads one TOML file table by table and collects every mistake with its line. Knows no key of its own:
//! the tables declare theirs (`JsonSchema` gives the list for "did you mean").

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::error::did_you_mean;

/// Largest file read; a configuration is a page or two.
const MAX_BYTES: u64 = 1024 * 1024;

/// One thing that is wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// File as the user knows it.
    pub file: PathBuf,
    /// Line from 1; 0 when the whole file is meant.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

impl std::fmt::Display for Mistake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.line == 0 {
            write!(f, "{}: {}", self.file.display(), self.message)
        } else {
            write!(f, "{}:{}: {}", self.file.display(), self.line, self.message)
        }
    }
}

/// A parsed file from which tables are taken.
pub struct Document<'t> {
    file: &'t Path,
    text: &'t str,
    root: DeTable<'t>,
    /// Everything wrong so far.
    pub mistakes: Vec<Mistake>,
}

/// Reads a file as text, refusing what no configuration is.
///
/// # Errors
/// Missing, too large, not UTF-8.
pub fn read(file: &Path) -> Result<String, Mistake> {
    let mistake = |message: String| Mistake { file: file.to_owned(), line: 0, message };
    let size = std::fs::metadata(file).map_err(|error| mistake(format!("cannot be read: {error}")))?.len();
    if size > MAX_BYTES {
        return Err(mistake(format!("is {size} bytes long; at most {MAX_BYTES} are read")));
    }
    let text = std::fs::read_to_string(file).map_err(|error| mistake(format!("cannot be read: {error}")))?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned())
}

impl<'t> Document<'t> {
    /// Parses `text`; a syntax error is the only mistake then.
    ///
    /// # Errors
    /// The syntax error with its line.
    pub fn parse(file: &'t Path, text: &'t str) -> Result<Self, Mistake> {
        let root = DeTable::parse(text).map_err(|error| Mistake {
            file: file.to_owned(),
            line: error.span().map_or(0, |span| line_of(text, span.start)),
            message: error.message().to_owned(),
        })?;
        Ok(Self { file, text, root: root.into_inner(), mistakes: Vec::new() })
    }

    /// Takes the top-level values (all that is no table) as `T`.
    pub fn top<T: DeserializeOwned + JsonSchema>(&mut self) -> Option<T> {
        let names: Vec<_> = self
            .root
            .iter()
            .filter(|(_, value)| !value.get_ref().is_table())
            .map(|(key, _)| key.clone())
            .collect();
        let mut table = DeTable::new();
        for name in names {
            if let Some((key, value)) = self.root.remove_entry(&name) {
                table.insert(key, value);
            }
        }
        self.take(table, "")
    }

    /// Takes the table `[name]` as `T`; an absent one is read as empty.
    pub fn table<T: DeserializeOwned + JsonSchema>(&mut self, name: &str) -> Option<T> {
        let found = self.root.iter().find(|(key, _)| key.get_ref() == name).map(|(key, _)| key.clone());
        let table = match found.and_then(|key| self.root.remove(&key)).map(Spanned::into_inner) {
            Some(DeValue::Table(table)) => table,
            Some(_) | None => DeTable::new(),
        };
        self.take(table, name)
    }

    /// Whatever table nobody took is a mistake.
    pub fn finish(mut self, known: &[&str]) -> Vec<Mistake> {
        let left: Vec<_> =
            self.root.iter().map(|(key, _)| (key.get_ref().to_string(), key.span().start)).collect();
        for (name, at) in left {
            let meant = suggestion(&name, known.iter().copied());
            self.mistake(at, format!("unknown table `[{name}]`{meant}"));
        }
        self.mistakes.sort();
        self.mistakes
    }

    fn take<T: DeserializeOwned + JsonSchema>(&mut self, mut table: DeTable<'t>, name: &str) -> Option<T> {
        let start = table.iter().map(|(key, _)| key.span().start).min().unwrap_or(0);
        if let Some(known) = keys_of::<T>() {
            let unknown: Vec<_> = table
                .iter()
                .filter(|(key, _)| !known.iter().any(|known| known == key.get_ref()))
                .map(|(key, _)| key.clone())
                .collect();
            for key in unknown {
                let meant = suggestion(key.get_ref(), known.iter().map(String::as_str));
                let place = if name.is_empty() { String::new() } else { format!(" in `[{name}]`") };
                self.mistake(key.span().start, format!("unknown key `{}`{place}{meant}", key.get_ref()));
                table.remove(&key);
            }
        }
        let value = Spanned::new(start..start, DeValue::Table(table));
        match T::deserialize(ValueDeserializer::from(value)) {
            Ok(value) => Some(value),
            Err(error) => {
                let at = error.span().map_or(start, |span| span.start);
                let place = if name.is_empty() { String::new() } else { format!("`[{name}]`: ") };
                self.mistake(at, format!("{place}{}", error.message()));
                None
            }
        }
    }

    fn mistake(&mut self, at: usize, message: String) {
        let line = line_of(self.text, at);
        self.mistakes.push(Mistake { file: self.file.to_owned(), line, message });
    }
}

/// Line number, from 1, of a byte offset.
fn line_of(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or(text).bytes().filter(|byte| *byte == b'\n').count() + 1
}

fn suggestion<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    did_you_mean(word, known).map_or(String::new(), |meant| format!("; did you mean `{meant}`?"))
}

/// Names of the keys of `T`; none when any key is allowed.
fn keys_of<T: JsonSchema>() -> Option<Vec<String>> {
    let schema = schemars::schema_for!(T);
    let closed = schema.get("additionalProperties") == Some(&serde_json::Value::Bool(false));
    let properties = schema.get("properties").and_then(serde_json::Value::as_object);
    closed.then(|| properties.map(|keys| keys.keys().cloned().collect()).unwrap_or_default())
}
