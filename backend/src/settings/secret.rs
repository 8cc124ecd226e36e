//! What makes a signing key good enough. Never shows the key.

use std::collections::BTreeSet;

use secrecy::SecretString;

/// Shortest key for HS256: as long as the digest (RFC 7518, 3.2).
const SHORTEST_KEY: usize = 32;
/// Fewest different bytes; a random key in hexadecimal has about 14 of 16.
const FEWEST_DIFFERENT: usize = 8;
/// Words that only a placeholder holds.
const PLACEHOLDERS: [&str; 8] = [
    "changeme",
    "change-me",
    "change_me",
    "placeholder",
    "your-secret",
    "your_secret",
    "example",
    "jwt-secret",
];

/// A key for signing tokens.
///
/// # Errors
/// Says what is weak about it.
pub(super) fn signing_key(text: &str) -> Result<SecretString, String> {
    if text.len() < SHORTEST_KEY {
        return Err(format!("has {} bytes, at least {SHORTEST_KEY} are needed", text.len()));
    }
    let different = text.bytes().collect::<BTreeSet<_>>().len();
    if different < FEWEST_DIFFERENT {
        return Err(format!("has only {different} different bytes: take a random one"));
    }
    let lower = text.to_ascii_lowercase();
    match PLACEHOLDERS.iter().find(|word| lower.contains(*word)) {
        Some(word) => Err(format!("looks like a placeholder (`{word}`): take a random one")),
        None => Ok(SecretString::from(text.to_owned())),
    }
}
