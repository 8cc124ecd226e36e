//! A string of the file that knows where each of its characters stands.

use std::ops::Range;

/// A string value and the bytes of the source it was written in (quotes included).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) value: String,
    pub(crate) span: Range<usize>,
    raw: String,
}

impl Text {
    pub(crate) fn new(value: String, span: Range<usize>, source: &str) -> Self {
        let raw = source.get(span.clone()).unwrap_or_default().to_owned();
        Self { value, span, raw }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.value
    }

    /// The place in the source of `range` of the value, escapes counted as they are written.
    ///
    /// Strings over several lines answer with their whole span.
    pub(crate) fn place(&self, range: Range<usize>) -> Range<usize> {
        if self.raw.starts_with("\"\"\"") || self.raw.starts_with("'''") {
            return self.span.clone();
        }
        let start = self.span.start + self.raw_offset(range.start);
        let end = self.span.start + self.raw_offset(range.end);
        start..end.max(start)
    }

    /// Walks the written form until `offset` bytes of the value have passed.
    fn raw_offset(&self, offset: usize) -> usize {
        let quoted = self.raw.starts_with(['"', '\'']);
        let escapes = self.raw.starts_with('"');
        let mut at = usize::from(quoted);
        let mut passed = 0;
        while passed < offset {
            let rest = self.raw.get(at..).unwrap_or_default();
            let Some(first) = rest.chars().next() else { break };
            let (written, meant) = if escapes && first == '\\' { escape(rest) } else { plain(first) };
            at += written;
            passed += meant;
        }
        at.min(self.raw.len())
    }
}

fn plain(character: char) -> (usize, usize) {
    (character.len_utf8(), character.len_utf8())
}

/// Bytes written and bytes meant by the escape that `rest` begins with.
fn escape(rest: &str) -> (usize, usize) {
    let digits = match rest.as_bytes().get(1) {
        Some(b'x') => 2,
        Some(b'u') => 4,
        Some(b'U') => 8,
        _ => return (2, 1),
    };
    let code = rest.get(2..2 + digits).and_then(|hex| u32::from_str_radix(hex, 16).ok());
    (2 + digits, code.and_then(char::from_u32).map_or(1, char::len_utf8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_escapes_as_written() {
        let source = r#"x = "a\"bé\u00e9c""#;
        let text = Text::new("a\"béé\u{63}".to_owned(), 4..source.len(), source);
        let c = text.value.find('c').unwrap();
        assert_eq!(&source[text.place(c..c + 1)], "c");
        assert_eq!(&source[text.place(0..1)], "a");
        assert_eq!(&source[text.place(1..2)], "\\\"");
    }

    #[test]
    fn literal_strings_have_no_escapes() {
        let source = r"x = 'a\nb'";
        let text = Text::new(r"a\nb".to_owned(), 4..source.len(), source);
        assert_eq!(&source[text.place(3..4)], "b");
    }
}
