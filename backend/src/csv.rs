//! Tables as spreadsheets of Spanish-speaking offices open them: UTF-8 with a byte order mark, `;` between cells, CRLF at
//! the end of a line. What a spreadsheet would run as a formula is text. Pure.
//!
//! Source: RFC 4180 for quotes; OWASP, "CSV Injection", for the first characters.

/// What a file begins with, so that a spreadsheet reads it as UTF-8.
pub(crate) const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Appends a line.
pub(crate) fn push_line<'a>(text: &mut String, cells: impl IntoIterator<Item = &'a str>) {
    for (position, cell) in cells.into_iter().enumerate() {
        if position > 0 {
            text.push(';');
        }
        push_cell(text, cell);
    }
    text.push_str("\r\n");
}

fn push_cell(text: &mut String, cell: &str) {
    let guard = if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { "'" } else { "" };
    if cell.contains([';', '"', '\r', '\n']) {
        text.push('"');
        text.push_str(guard);
        text.push_str(&cell.replace('"', "\"\""));
        text.push('"');
    } else {
        text.push_str(guard);
        text.push_str(cell);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(cells: &[&str]) -> String {
        let mut text = String::new();
        push_line(&mut text, cells.iter().copied());
        text
    }

    #[test]
    fn cells_are_quoted_when_they_must_be() {
        assert_eq!(line(&["a", "", "b c", "ñ"]), "a;;b c;ñ\r\n");
        assert_eq!(line(&["a;b", "a\"b", "a\r\nb"]), "\"a;b\";\"a\"\"b\";\"a\r\nb\"\r\n");
    }

    #[test]
    fn what_a_spreadsheet_would_run_is_text() {
        for first in ["=", "+", "-", "@", "\t"] {
            assert_eq!(line(&[&format!("{first}1+1")]), format!("'{first}1+1\r\n"));
        }
        assert_eq!(line(&["\r=1"]), "\"'\r=1\"\r\n");
        assert_eq!(line(&["=HYPERLINK(\"x\";\"y\")"]), "\"'=HYPERLINK(\"\"x\"\";\"\"y\"\")\"\r\n");
        assert_eq!(line(&["a=1", "1-2", " =1"]), "a=1;1-2; =1\r\n");
    }
}
