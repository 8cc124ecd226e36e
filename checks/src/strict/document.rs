//! From a file's text to its root table. Owns the limits on the text and the list of mistakes.

use std::cell::RefCell;
use std::ops::Range;

use miette::NamedSource;
use toml::de::DeTable;

use super::{FileError, Mistake, Table};

/// The largest file that is read, in bytes.
const LARGEST: usize = 1 << 20;

/// Where mistakes are noted while a file is read.
#[derive(Debug)]
pub(crate) struct Review<'s> {
    source: &'s str,
    found: RefCell<Vec<Mistake>>,
}

impl<'s> Review<'s> {
    pub(crate) fn of(source: &'s str) -> Self {
        Self { source, found: RefCell::default() }
    }

    pub(crate) fn source(&self) -> &'s str {
        self.source
    }

    /// Notes a mistake at `span` (bytes of the source).
    pub(crate) fn note(
        &self,
        span: Range<usize>,
        message: impl Into<String>,
        hint: impl Into<Option<String>>,
    ) {
        let before = &self.source[..span.start.min(self.source.len())];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        self.found.borrow_mut().push(Mistake {
            message: message.into(),
            hint: hint.into(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            span: span.into(),
        });
    }

    fn into_mistakes(self) -> Vec<Mistake> {
        let mut found = self.found.into_inner();
        found.sort_by_key(|mistake| (mistake.span.offset(), mistake.message.clone()));
        found.dedup();
        found
    }
}

/// Reads `text` and hands its root table to `build`.
///
/// # Errors
/// Every mistake of syntax, else every one that `build` noted.
pub(crate) fn read<T>(
    file: &str,
    text: &str,
    build: impl for<'s> FnOnce(Table<'s>, &'s Review<'s>) -> Option<T>,
) -> Result<T, FileError> {
    // Editors on Windows put a byte order mark in front; it carries no meaning in UTF-8.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let review = Review::of(text);
    let built = if text.len() > LARGEST {
        let message = format!("the file has {} bytes, more than the {LARGEST} that are read", text.len());
        review.note(0..0, message, "split the file, or check that it is the one you meant".to_owned());
        None
    } else {
        parse(text, &review, build)
    };
    let mistakes = review.into_mistakes();
    match built {
        Some(built) if mistakes.is_empty() => Ok(built),
        _ => Err(refused(file, text, mistakes)),
    }
}

fn parse<T>(
    text: &str,
    review: &Review<'_>,
    build: impl for<'s> FnOnce(Table<'s>, &'s Review<'s>) -> Option<T>,
) -> Option<T> {
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        review.note(error.span().unwrap_or(0..0), error.message().replace('\n', ", "), None);
    }
    if !errors.is_empty() {
        return None;
    }
    // Re-borrowed so that table and review share one lifetime.
    let review: &Review<'_> = review;
    build(Table::root(root, review), review)
}

fn refused(file: &str, text: &str, mistakes: Vec<Mistake>) -> FileError {
    debug_assert!(!mistakes.is_empty(), "a refusal says why");
    // A file that is too large is not quoted.
    let quoted = if text.len() > LARGEST { "" } else { text };
    let source_code = NamedSource::new(file, quoted.to_owned()).with_language("TOML");
    FileError { file: file.to_owned(), source_code, mistakes }
}
