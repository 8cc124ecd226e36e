//! Words of an assertion with their places: names, operators, JSON values, JSONPaths.

use std::ops::Range;

use serde_json::Value as Json;

/// What could not be understood, where in the assertion, and what would be.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) range: Range<usize>,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Problem {
    pub(super) fn new(
        range: Range<usize>,
        message: impl Into<String>,
        hint: impl Into<Option<String>>,
    ) -> Self {
        Self { range, message: message.into(), hint: hint.into() }
    }
}

/// The text of an assertion and how far it has been read.
#[derive(Debug)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    pub(super) at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let mut lexer = Self { text, at: 0 };
        lexer.skip_blanks();
        lexer
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(super) fn is_done(&self) -> bool {
        self.rest().is_empty()
    }

    fn skip_blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn advance(&mut self, length: usize) -> (&'a str, Range<usize>) {
        let range = self.at..self.at + length;
        self.at = range.end;
        self.skip_blanks();
        (&self.text[range.clone()], range)
    }

    /// The place of the next word, or of the end.
    pub(super) fn here(&self) -> Range<usize> {
        let length = self.rest().find(char::is_whitespace).unwrap_or(self.rest().len());
        self.at..self.at + length
    }

    /// Takes `token` when it comes next: a whole word, or an operator.
    pub(super) fn take(&mut self, token: &str) -> bool {
        let Some(after) = self.rest().strip_prefix(token) else { return false };
        let is_word = token.ends_with(|c: char| c.is_ascii_alphanumeric());
        if is_word && after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
            return false;
        }
        self.advance(token.len());
        true
    }

    /// The next word of letters, digits, `_` and `-`.
    pub(super) fn word(&mut self) -> (&'a str, Range<usize>) {
        let is_inside = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let length = self.rest().find(|c| !is_inside(c)).unwrap_or(self.rest().len());
        self.advance(length)
    }

    /// A JSONPath: everything up to the first blank outside brackets and quotes.
    pub(super) fn path(&mut self) -> (&'a str, Range<usize>) {
        let mut depth = 0_usize;
        let mut quote = None;
        let mut escaped = false;
        let end = self.rest().char_indices().find(|(_, c)| {
            match (quote, c) {
                _ if escaped => escaped = false,
                (Some(_), '\\') => escaped = true,
                (Some(open), c) if open == *c => quote = None,
                (Some(_), _) => {}
                (None, '"' | '\'') => quote = Some(*c),
                (None, '[' | '(') => depth += 1,
                (None, ']' | ')') => depth = depth.saturating_sub(1),
                (None, _) => {}
            }
            quote.is_none() && depth == 0 && c.is_whitespace()
        });
        self.advance(end.map_or(self.rest().len(), |(at, _)| at))
    }

    /// A JSON value; strings may also stand in single quotes, without escapes.
    pub(super) fn value(&mut self) -> Result<(Json, Range<usize>), Problem> {
        if let Some(after) = self.rest().strip_prefix('\'') {
            let Some(length) = after.find('\'') else {
                return Err(Problem::new(self.at..self.text.len(), "the string is never closed", None));
            };
            let (quoted, range) = self.advance(length + 2);
            return Ok((Json::String(quoted[1..=length].to_owned()), range));
        }
        let mut values = serde_json::Deserializer::from_str(self.rest()).into_iter::<Json>();
        let first = values.next();
        let length = values.byte_offset();
        match first {
            Some(Ok(value)) => Ok((value, self.advance(length).1)),
            _ => {
                let hint = "values are numbers, \"strings\", true, false or null".to_owned();
                Err(Problem::new(self.here(), "a value should stand here", hint))
            }
        }
    }
}
