//! Strikes out of a text what looks like a person or a secret: addresses, telephone numbers, tokens. Words, numbers of
//! lines and ids of the program's own making stay. Pure.

/// Longest text that is told.
const LONGEST: usize = 2_000;
/// So many digits in one word are a telephone number, or something else that is nobody's business.
const DIGITS: usize = 7;
/// A word of letters and digits this long is a token.
const TOKEN: usize = 20;

/// The text without them.
pub(super) fn text(text: &str) -> String {
    let text: String = text.chars().take(LONGEST).collect();
    let pieces = pieces(&text);
    let (mut clean, mut at) = (String::new(), 0);
    while let Some(piece) = pieces.get(at) {
        if let Some(length) = spaced_number(&pieces[at..]) {
            clean.push_str("[number]");
            at += length;
        } else {
            clean.push_str(struck(piece).unwrap_or(piece));
            at += 1;
        }
    }
    clean
}

/// Words and what lies between them, by turns; together the text.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let of_word = holds_together(first);
        let end = rest.find(|letter| holds_together(letter) != of_word).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(end);
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// What holds an address, a number or a token together.
fn holds_together(letter: char) -> bool {
    letter.is_alphanumeric() || "@.+-_/%".contains(letter)
}

/// How many pieces from the first on are one telephone number in groups, as `+54 (9 11) 5555-0101`.
fn spaced_number(pieces: &[&str]) -> Option<usize> {
    let is_group = |piece: &str| {
        piece.contains(|letter: char| letter.is_ascii_digit())
            && piece.chars().all(|letter| letter.is_ascii_digit() || "+-./".contains(letter))
    };
    let joins = |letter: char| {
        letter.is_whitespace() || "()".contains(letter) || ('\u{2010}'..='\u{2015}').contains(&letter)
    };
    let is_gap = |piece: &str| piece.chars().count() <= 3 && piece.chars().all(joins);
    let (mut digits, mut length) = (0, 0);
    for (place, piece) in pieces.iter().enumerate() {
        if is_group(piece) {
            digits += piece.bytes().filter(u8::is_ascii_digit).count();
            length = place + 1;
        } else if place == 0 || !is_gap(piece) {
            break;
        }
    }
    (digits >= DIGITS).then_some(length)
}

/// What stands in place of a word that is struck out.
fn struck(word: &str) -> Option<&'static str> {
    let digits = word.chars().filter(char::is_ascii_digit).count();
    let is_one =
        |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_' || letter == '.';
    if word.contains('@') || word.contains("%40") {
        Some("[address]")
    } else if word.len() >= TOKEN && digits > 0 && word.chars().all(is_one) {
        Some("[token]")
    } else if digits >= DIGITS {
        Some("[number]")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_and_secrets_are_struck_out() {
        for (said, told) in [
            ("no row for ana.paz+crm@example.com.", "no row for [address]"),
            ("postgres://crm:s3cret@10.0.0.1:5432/crm is away", "postgres://crm:[address]:5432/crm is away"),
            ("called +54 9 11 5555-0101", "called [number]"),
            ("called +54 (9 11) 5555-0101, twice", "called [number], twice"),
            ("called +54 (9) (11) 5555–0101", "called [number]"),
            ("called 11\u{a0}5555\u{a0}0101", "called [number]"),
            ("GET /crm/leads?search=ana%40example.com&limit=5", "GET /crm/leads?search=[address]&limit=5"),
            ("lead +5491155550101 twice", "lead [number] twice"),
            ("token eyJhbGciOiJIUzI1NiJ9.e30.abc_def-1", "token [token]"),
            ("id 019b0000-0000-7000-8000-000000000001", "id [token]"),
        ] {
            assert_eq!(text(said), told);
        }
    }

    #[test]
    fn what_helps_stays() {
        for said in [
            "permission denied for table leads (42501)",
            "a handler panicked at src/routes/leads/list.rs:114",
            "timed out after 30 s, attempt 3 of 5",
            "rows: 12 30 (45)",
            "fünf Wörter: schön, größer, ¿qué?",
        ] {
            assert_eq!(text(said), said);
        }
        assert_eq!(text(&"x".repeat(5_000)).len(), LONGEST);
    }
}
