//! Strict TOML: every value keeps its place in the file, every mistake is collected, no key goes
//! unread. Owns reading and reporting; it must not know what a suite or a threshold is.

mod document;
mod mistake;
mod table;
mod text;

pub(crate) use document::{Review, read};
pub use mistake::{FileError, Mistake};
pub(crate) use table::{Table, Value};
pub(crate) use text::Text;

/// The word of `known` that `typed` most likely meant, when one is close enough to be worth saying.
pub(crate) fn nearest<'k>(typed: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    known
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(&typed.to_lowercase(), word), word))
        .filter(|(distance, word)| *distance <= (word.len().max(typed.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// ``did you mean `word`?`` for the nearest of `known`, else the whole list of them.
pub(crate) fn suggestion<'k>(typed: &str, known: impl IntoIterator<Item = &'k str> + Clone) -> String {
    if let Some(word) = nearest(typed, known.clone()) {
        return format!("did you mean `{word}`?");
    }
    let list: Vec<String> = known.into_iter().map(|word| format!("`{word}`")).collect();
    if list.is_empty() { "there is none here".to_owned() } else { format!("known here: {}", list.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swapped_letter_is_recognised() {
        assert_eq!(nearest("pth", ["path", "method"]), Some("path"));
        assert_eq!(nearest("ehtod", ["path", "method"]), Some("method"));
    }

    #[test]
    fn a_stranger_gets_the_whole_list() {
        assert_eq!(suggestion("zzz", ["path", "method"]), "known here: `path`, `method`");
    }
}
