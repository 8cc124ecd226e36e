//! The last sieve before a result leaves the process: whatever secret of the environment slipped into a log line, an
//! error or a commit is replaced, and so is what would move a reader's cursor or turn his text around. Checks keep
//! their own secrets out long before.

use serde_json::Value;

use super::RunResult;

/// What stands in place of a secret.
const HIDDEN: &str = "[redacted]";
/// Shorter values are words like `true`, which would tear holes into sentences.
const SHORTEST: usize = 6;
/// Fields that crmctl writes itself, in words of its own.
const OWN_WORDS: [&str; 8] = ["run", "environment", "verb", "ending", "phase", "step", "status", "outcome"];

impl RunResult {
    /// The same without any of `secrets`, and in plain text only.
    #[must_use]
    pub fn clean(self, secrets: &[String]) -> Self {
        let mut secrets: Vec<&str> =
            secrets.iter().map(String::as_str).filter(|secret| secret.len() >= SHORTEST).collect();
        // The longest first: a secret inside another one must not leave its rest behind.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        let mut document = serde_json::to_value(&self).expect("a result is plain data with text keys");
        sieve(&mut document, &secrets);
        serde_json::from_value(document).expect("only free text was replaced by text")
    }
}

fn sieve(value: &mut Value, secrets: &[&str]) {
    match value {
        Value::String(text) => *text = plain(&hide(text, secrets)),
        Value::Array(all) => all.iter_mut().for_each(|one| sieve(one, secrets)),
        Value::Object(fields) => {
            let free = fields.iter_mut().filter(|(name, _)| !OWN_WORDS.contains(&name.as_str()));
            free.for_each(|(_, one)| sieve(one, secrets));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn hide(text: &str, secrets: &[&str]) -> String {
    secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, HIDDEN))
}

/// Without colour codes; other control characters, and those that turn the direction of text, become visible.
fn plain(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let odd = |c: char| (c.is_control() && !matches!(c, '\n' | '\t')) || turns(c);
    console::strip_ansi_codes(text).chars().map(|c| if odd(c) { '\u{fffd}' } else { c }).collect()
}
