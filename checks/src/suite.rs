//! A suite file, read and checked as a whole: what is wrong with it is said before anything runs.
//! The format is described in `docs/suites.md`.

mod check;
mod references;

use std::path::Path;

pub(crate) use check::Check;

use crate::kind::KINDS;
use crate::outcome::{Owner, Severity};
use crate::session::Session;
use crate::strict::{FileError, Review, Table, Text, read, suggestion};
use crate::template::is_word;

/// The version of the format.
const SCHEMA: u64 = 1;

/// A suite of checks that can run.
#[derive(Debug)]
pub struct Suite {
    name: String,
    pub(crate) sessions: Vec<Session>,
    /// In the order of the file.
    pub(crate) checks: Vec<Check>,
}

/// A check as a plan or a coverage report shows it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct CheckInfo {
    /// `smoke/login`: suite and check.
    pub check: String,
    /// `http`.
    pub kind: &'static str,
    /// Who looks after it.
    pub owner: Owner,
    /// How bad it is when it does not pass.
    pub severity: Severity,
}

/// The account behind a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionInfo<'s> {
    /// Its e-mail address.
    pub email: &'s str,
    /// The key of the secret that holds its password.
    pub password_key: &'s str,
}

impl Suite {
    /// Reads a suite; its name is the stem of `file`.
    ///
    /// # Errors
    /// Every mistake of the file with its place, all together.
    pub fn parse(file: &str, text: &str) -> Result<Self, FileError> {
        let name = Path::new(file).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        read(file, text, |root, review| read_suite(name, root, review))
    }

    /// The suite's name: `smoke`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Every check, in the order of the file.
    pub fn listing(&self) -> impl Iterator<Item = CheckInfo> {
        self.checks.iter().map(|check| CheckInfo {
            check: self.full_name(check),
            kind: check.kind,
            owner: check.owner,
            severity: check.severity,
        })
    }

    /// The keys of the secrets that its sessions need, each once.
    #[must_use]
    pub fn required_secrets(&self) -> Vec<&str> {
        let mut keys: Vec<&str> = self.sessions.iter().map(|session| session.password_key.as_str()).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// The account of the session `name`.
    #[must_use]
    pub fn session(&self, name: &str) -> Option<SessionInfo<'_>> {
        let session = self.sessions.iter().find(|session| session.name.as_str() == name)?;
        Some(SessionInfo { email: &session.email, password_key: &session.password_key })
    }

    pub(crate) fn full_name(&self, check: &Check) -> String {
        format!("{}/{}", self.name, check.name.as_str())
    }
}

fn read_suite(name: String, mut root: Table<'_>, review: &Review<'_>) -> Option<Suite> {
    if !is_word(&name) {
        let hint = "letters, digits, `-` and `_`, beginning with a letter".to_owned();
        review.note(0..0, format!("`{name}`, from the name of the file, is no name of a suite"), hint);
    }
    read_schema(&mut root, SCHEMA, "suite");
    let sessions = root.table("session").map_or_else(Vec::new, read_sessions);
    let mut written = 0;
    let mut checks = Vec::new();
    for kind in KINDS {
        let tables = root.table(kind.name).map_or_else(Vec::new, Table::tables);
        written += tables.len();
        checks.extend(tables.into_iter().filter_map(|(name, table)| Check::read(kind, name, table)));
    }
    checks.sort_by_key(|check| check.name.span.start);
    root.finish();
    refuse_repeated_names(&sessions, &checks, review);
    if written == 0 {
        let kinds = KINDS.iter().map(|kind| kind.name);
        review.note(
            0..0,
            "the suite has no checks",
            format!("kinds: {}", kinds.collect::<Vec<_>>().join(", ")),
        );
    }
    let complete = checks.len() == written;
    let mut suite = Suite { name, sessions, checks };
    // A check that could not be read would only look like a wrong name.
    if complete {
        references::resolve(&mut suite, review);
    }
    Some(suite)
}

/// Reads and checks `schema = 1`, which every file of crmctl begins with.
pub(crate) fn read_schema(root: &mut Table<'_>, known: u64, what: &str) {
    if !root.has("schema") {
        root.review().note(0..0, "`schema` is missing", format!("begin the file with `schema = {known}`"));
    }
    let place = root.place_of("schema");
    let version = root.whole("schema", 1..=u64::from(u32::MAX));
    if let Some(version) = version.filter(|version| *version != known) {
        let hint = "a newer crmctl wrote it; update this one".to_owned();
        root.review().note(place, format!("this is {what} schema {version}; {known} is known here"), hint);
    }
}

fn read_sessions(table: Table<'_>) -> Vec<Session> {
    table.tables().into_iter().filter_map(|(name, table)| Session::read(name, table)).collect()
}

/// Checks and sessions share one space of names, because references do.
fn refuse_repeated_names(sessions: &[Session], checks: &[Check], review: &Review<'_>) {
    let mut names: Vec<&Text> = sessions.iter().map(|session| &session.name).collect();
    names.extend(checks.iter().map(|check| &check.name));
    names.sort_by_key(|name| name.span.start);
    for (at, name) in names.iter().enumerate() {
        if names[..at].iter().any(|earlier| earlier.as_str() == name.as_str()) {
            let hint = "checks of all kinds and sessions share one space of names".to_owned();
            review.note(name.span.clone(), format!("`{}` is used twice", name.as_str()), hint);
        }
    }
}

/// Notes an unknown `name`, with what it may have meant.
fn note_unknown<'k>(
    review: &Review<'_>,
    place: std::ops::Range<usize>,
    message: String,
    name: &str,
    known: impl IntoIterator<Item = &'k str> + Clone,
) {
    review.note(place, message, suggestion(name, known));
}
