//! What is wrong with a file, with the place of each mistake. Owns the error type only.

use std::fmt;

use miette::{Diagnostic, NamedSource, SourceSpan};

/// One mistake: what, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
#[error("{message}")]
pub struct Mistake {
    pub(crate) message: String,
    #[help]
    pub(crate) hint: Option<String>,
    #[label("here")]
    pub(crate) span: SourceSpan,
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Mistake {
    /// What is wrong, in one sentence.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Line, counted from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// Column in characters, counted from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.column
    }
}

/// A file that was refused, with every mistake found in it.
///
/// Rendered by miette it underlines each mistake; [`FileError::lines`] gives plain text.
#[derive(Debug, Clone, Diagnostic)]
pub struct FileError {
    pub(crate) file: String,
    #[source_code]
    pub(crate) source_code: NamedSource<String>,
    #[related]
    pub(crate) mistakes: Vec<Mistake>,
}

impl FileError {
    /// The file's name as it was given.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Every mistake, in the order of the file.
    #[must_use]
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }

    /// One line per mistake: `file:line:column: message`, its hint on a line of its own.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.mistakes.iter().map(|mistake| {
            let place = format!("{}:{}:{}", self.file, mistake.line, mistake.column);
            let hint = mistake.hint.iter().map(|hint| format!("\nhint: {hint}")).collect::<String>();
            format!("{place}: {}{hint}", mistake.message)
        })
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mistakes.as_slice() {
            [only] => write!(f, "`{}` line {}, column {}: {only}", self.file, only.line, only.column),
            many => write!(f, "`{}` has {} mistakes", self.file, many.len()),
        }
    }
}

impl std::error::Error for FileError {}
