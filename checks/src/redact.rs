//! Keeps secrets out of everything a check says. Owns what counts as one: the values it was told, and
//! whatever stands behind a telling name (`access_token`, `Authorization`) or looks like a JWT.

use std::sync::{PoisonError, RwLock};

/// What stands in place of a secret.
pub(crate) const HIDDEN: &str = "[redacted]";

/// Names whose values are never shown.
const TELLING: [&str; 10] = [
    "token",
    "secret",
    "password",
    "passwd",
    "authorization",
    "cookie",
    "api_key",
    "apikey",
    "credential",
    "bearer",
];

/// A name or path that speaks of a secret.
pub(crate) fn is_telling(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    TELLING.iter().any(|word| name.contains(word))
}

/// Long, without blanks and not an id that people compare: kept secret when captured.
pub(crate) fn is_tokenlike(value: &str) -> bool {
    value.len() >= 24 && !value.contains(char::is_whitespace) && !is_uuid(value)
}

fn is_uuid(value: &str) -> bool {
    value.len() == 36 && value.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}

/// The secrets of a run, as far as they are known.
#[derive(Default)]
pub(crate) struct Redactor {
    known: RwLock<Vec<String>>,
}

impl Redactor {
    /// From now on `secret` is hidden, also as JSON and as part of a URL.
    pub(crate) fn learn(&self, secret: &str) {
        let json = serde_json::Value::from(secret).to_string();
        let variants = [secret.to_owned(), json[1..json.len() - 1].to_owned(), percent_encoded(secret)];
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        for variant in variants {
            if !variant.is_empty() && !known.contains(&variant) {
                known.push(variant);
            }
        }
        // The longest first, so that a secret inside another leaves no rest.
        known.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    }

    /// `text` without secrets.
    pub(crate) fn clean(&self, text: &str) -> String {
        let text = self.without_known(text);
        let text = without(&text, jwt);
        let text = without(&text, told);
        without(&text, user_info)
    }

    fn without_known(&self, text: &str) -> String {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let mut clean = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            if let Some(secret) = known.iter().find(|secret| rest.starts_with(secret.as_str())) {
                clean.push_str(HIDDEN);
                rest = &rest[secret.len()..];
            } else {
                clean.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
        clean
    }
}

/// Replaces each span that `find` sees in the rest of the text: `(start, end)` in bytes.
fn without(text: &str, find: impl Fn(&str) -> Option<(usize, usize)>) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((start, end)) = find(rest) {
        clean.push_str(&rest[..start]);
        if start < end {
            clean.push_str(HIDDEN);
        }
        rest = &rest[end..];
    }
    clean + rest
}

/// `eyJ….….…`: a JSON Web Token begins with an encoded `{"`.
fn jwt(text: &str) -> Option<(usize, usize)> {
    let start = text.find("eyJ")?;
    let is_inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '=');
    let length = text[start..].find(|c| !is_inside(c)).unwrap_or(text.len() - start);
    let is_token = length >= 20 && text[start..start + length].contains('.');
    // Not one: go on behind it.
    Some(if is_token { (start, start + length) } else { (start + length, start + length) })
}

/// The value behind a telling name: `"token": "…"`, `token=…`, `Authorization: Bearer …`.
fn told(text: &str) -> Option<(usize, usize)> {
    let (at, word) = text.char_indices().find_map(|(at, _)| Some((at, telling_word(&text[at..])?)))?;
    let name_end = end_of_name(&text[at..]).map_or(text.len(), |length| at + length);
    let start = name_end + separator(&text[name_end..], word == "bearer");
    if start == name_end {
        return Some((name_end, name_end));
    }
    if text[start..].starts_with(HIDDEN) {
        return Some((start + HIDDEN.len(), start + HIDDEN.len()));
    }
    let end = start + value_length(&text[start..]);
    Some((start, end))
}

/// The telling word that `text` begins with, in any case.
fn telling_word(text: &str) -> Option<&'static str> {
    let begins = |word: &&str| {
        text.as_bytes().get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()))
    };
    TELLING.into_iter().find(begins)
}

fn end_of_name(text: &str) -> Option<usize> {
    text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'))
}

/// Bytes between a name and its value; 0 when no value follows.
fn separator(text: &str, blank_is_enough: bool) -> usize {
    let length = text.find(|c: char| !matches!(c, '"' | '\'' | '\\' | ' ' | ':' | '=')).unwrap_or(text.len());
    // The opening quote belongs to the value, so that its end is found.
    let between = text[..length].trim_end_matches(['"', '\'', '\\']);
    let separates = between.contains([':', '=']) || (blank_is_enough && between.starts_with(' '));
    if separates { between.len() } else { 0 }
}

/// How long the value at the beginning of `text` is, quotes included.
fn value_length(text: &str) -> usize {
    let opening = text.len() - text.trim_start_matches(['"', '\'', '\\']).len();
    if let Some(quote) = text[..opening].chars().next_back() {
        let mut escaped = opening > 1;
        let closing = text[opening..].char_indices().find(|(_, c)| {
            let closes = *c == quote && (!escaped || opening > 1);
            escaped = *c == '\\' && !escaped;
            closes
        });
        return closing.map_or(text.len(), |(at, _)| opening + at + 1);
    }
    let is_end = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '&' | '}' | ']' | ')' | '"' | '\'');
    let word = text.find(is_end).unwrap_or(text.len());
    let scheme = text[..word].to_ascii_lowercase();
    match scheme.as_str() {
        // `Authorization: Bearer abc`: the word behind the scheme is the secret.
        "bearer" | "basic" => {
            let next = text[word..].trim_start();
            text.len() - next.len() + next.find(is_end).unwrap_or(next.len())
        }
        "{" | "[" | "null" | "true" | "false" => 0,
        _ => word,
    }
}

/// `https://user:password@host`.
fn user_info(text: &str) -> Option<(usize, usize)> {
    let start = text.find("://")? + 3;
    let authority = text[start..].find(['/', ' ', '?', '#', '"']).map_or(text.len(), |length| start + length);
    let at = text[start..authority].rfind('@').map(|at| start + at);
    Some(at.filter(|at| text[start..*at] != *HIDDEN).map_or((authority, authority), |at| (start, at)))
}

/// `text` with everything but RFC 3986's unreserved characters as `%XX`.
pub(crate) fn percent_encoded(text: &str) -> String {
    let encoded = text.bytes().map(|byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    });
    encoded.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn clean(text: &str) -> String {
        Redactor::default().clean(text)
    }

    #[test]
    fn values_behind_telling_names_are_hidden() {
        for (text, hidden) in [
            (r#"{"access_token":"abc","n":1}"#, r#"{"access_token":[redacted],"n":1}"#),
            (r#"{"refresh_token": "a\"b", "x": 2}"#, r#"{"refresh_token": [redacted], "x": 2}"#),
            (r#"{"password":"cut off in the mid"#, r#"{"password":[redacted]"#),
            ("Authorization: Bearer abc.def next", "Authorization: [redacted] next"),
            ("sent Bearer abcdef", "sent Bearer [redacted]"),
            ("/x?api_key=123&y=2", "/x?api_key=[redacted]&y=2"),
            (r#"a nested {\"token\":\"abc\"}"#, r#"a nested {\"token\":[redacted]}"#),
            ("set-cookie: sid=1; path=/", "set-cookie: [redacted]; path=/"),
            ("https://ana:pw@host/x", "https://[redacted]@host/x"),
            ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln!", "jwt [redacted]!"),
        ] {
            assert_eq!(clean(text), hidden, "{text}");
        }
    }

    #[test]
    fn plain_text_is_left_alone() {
        for text in
            ["$.access_token exists", "status == 200", "eyJ", r#"{"token":null}"#, "http://host:80/a@b", ""]
        {
            assert_eq!(clean(text), text);
        }
    }

    #[test]
    fn a_body_full_of_tokens_takes_no_time() {
        let body = r#"{"token":"abc"},"#.repeat(100_000);
        let cleaned = clean(&body);
        assert!(!cleaned.contains("abc") && cleaned.matches(HIDDEN).count() == 100_000);
    }

    proptest! {
        #[test]
        fn a_known_secret_never_shows(before in ".{0,20}", secret in "[#-~ñ\"\\\\]{12,30}", after in ".{0,20}") {
            prop_assume!(!HIDDEN.contains(secret.as_str()));
            let redactor = Redactor::default();
            redactor.learn(&secret);
            let json = serde_json::json!({ "echo": secret }).to_string();
            let url = format!("/x?echo={}", percent_encoded(&secret));
            for text in [format!("{before}{secret}{after}"), json, url] {
                let cleaned = redactor.clean(&text);
                prop_assert!(!cleaned.contains(&secret), "{cleaned}");
                prop_assert!(!cleaned.contains(&percent_encoded(&secret)), "{cleaned}");
            }
        }

        #[test]
        fn any_text_can_be_cleaned(text in ".{0,200}") {
            clean(&text);
        }
    }
}
