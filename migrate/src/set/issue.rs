//! What can be wrong with a folder of migrations, as data: file, line, message, next action.

use std::fmt;
use std::path::PathBuf;

/// One thing that is wrong with one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// File name relative to the migration folder.
    pub file: String,
    /// Line, from 1, where it applies.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Issue {
    pub(crate) fn new(file: &str, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: None, message: message.into(), hint: None }
    }

    pub(crate) fn at(mut self, line: usize) -> Self {
        self.line = Some(line);
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "`{}` line {line}: {}", self.file, self.message),
            None => write!(f, "`{}`: {}", self.file, self.message),
        }
    }
}

/// Why a folder is no migration set.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The folder or a file in it cannot be read.
    #[error("cannot read `{path}`")]
    Read {
        /// What was read.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// The files were read and say something that cannot be accepted.
    #[error("{}", listed(.issues))]
    Refused {
        /// Everything found, ordered by file and line.
        issues: Vec<Issue>,
    },
}

impl LoadError {
    /// What to do next: the hints of all issues, one per line.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Read { .. } => None,
            Self::Refused { issues } => {
                let mut hints: Vec<&str> = issues.iter().filter_map(|issue| issue.hint.as_deref()).collect();
                hints.dedup();
                (!hints.is_empty()).then(|| hints.join("\n"))
            }
        }
    }

    /// What was found, empty when reading failed.
    #[must_use]
    pub fn issues(&self) -> &[Issue] {
        match self {
            Self::Read { .. } => &[],
            Self::Refused { issues } => issues,
        }
    }
}

fn listed(issues: &[Issue]) -> String {
    let lines: Vec<String> = issues.iter().map(Issue::to_string).collect();
    lines.join("\n")
}
