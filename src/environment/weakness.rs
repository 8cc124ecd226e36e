//! What makes a value unfit, told without showing it.

use super::keys::{self, Strength};
use crate::notify::address::is_fit;

/// Words that stand where a secret should be.
const PLACEHOLDERS: [&str; 12] = [
    "changeme",
    "change_me",
    "change-me",
    "placeholder",
    "your_",
    "your-",
    "example",
    "secure_password",
    "staging_redis_pass",
    "user:pass@",
    "todo",
    "xxx",
];

/// A key that holds the chat's address.
pub(super) fn webhook_weakness(name: &str, value: &str) -> Option<String> {
    (!is_fit(value)).then(|| format!("`{name}` is no https address (messages to the chat)"))
}

/// What makes a value unfit, without showing it.
pub(super) fn weakness(key: &keys::Key, value: &str) -> Option<String> {
    weakness_as(key.name, key, value)
}

/// The same for a key of another name that is used as `key`.
pub(super) fn weakness_as(name: &str, key: &keys::Key, value: &str) -> Option<String> {
    let lower = value.to_lowercase();
    if value.is_empty() {
        return Some(format!("`{name}` is empty ({})", key.purpose));
    }
    let held = PLACEHOLDERS.iter().any(|word| lower.contains(word));
    if (key.secret && held) || (value.starts_with('<') && value.ends_with('>')) || value.ends_with("...") {
        return Some(format!("`{name}` is a placeholder ({})", key.purpose));
    }
    match key.strength {
        Strength::AtLeast(least) if name != "SMOKE_PASSWORD" && value.len() < least => {
            Some(format!("`{name}` is weak: {} bytes, at least {least} are needed", value.len()))
        }
        Strength::AtLeast(_) if key.secret && monotone(value) => {
            Some(format!("`{name}` is weak: one character over and over"))
        }
        Strength::Word(least) if value.len() < least || !value.chars().all(is_word) => {
            Some(format!("`{name}` must be at least {least} letters, digits, `-` and `_`"))
        }
        Strength::Dsn if value.contains(['<', '>']) => {
            Some(format!("`{name}` has a place in <…> to fill in ({})", key.purpose))
        }
        Strength::Dsn if !is_dsn(value) => {
            Some(format!("`{name}` is no DSN of the form `postgresql://user:password@host:port/database`"))
        }
        Strength::Switch if !matches!(value, "true" | "false") => {
            Some(format!("`{name}` must be `true` or `false`"))
        }
        _ => None,
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

fn monotone(value: &str) -> bool {
    value.len() > 1 && value.bytes().all(|byte| Some(byte) == value.bytes().next())
}

fn is_dsn(value: &str) -> bool {
    url::Url::parse(value).is_ok_and(|url| {
        matches!(url.scheme(), "postgres" | "postgresql")
            && !url.username().is_empty()
            && url.path().len() > 1
    })
}
