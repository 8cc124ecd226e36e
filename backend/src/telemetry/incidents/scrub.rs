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
    let mut clean = String::new();
    let mut word = String::new();
    for letter in text.chars().take(LONGEST) {
        // What holds an address, a number or a token together.
        if letter.is_alphanumeric() || "@.+-_/%".contains(letter) {
            word.push(letter);
        } else {
            clean.push_str(struck(&word).unwrap_or(&word));
            word.clear();
            clean.push(letter);
        }
    }
    clean.push_str(struck(&word).unwrap_or(&word));
    clean
}

/// What stands in place of a word that is struck out.
fn struck(word: &str) -> Option<&'static str> {
    let digits = word.chars().filter(char::is_ascii_digit).count();
    let is_one =
        |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_' || letter == '.';
    if word.contains('@') {
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
            ("called +54 9 11 5555-0101", "called +54 9 11 [number]"),
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
            "fünf Wörter: schön, größer, ¿qué?",
        ] {
            assert_eq!(text(said), said);
        }
        assert_eq!(text(&"x".repeat(5_000)).len(), LONGEST);
    }
}
