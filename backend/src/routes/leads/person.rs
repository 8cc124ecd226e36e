//! What is typed about a person, checked field by field. Holds no SQL.

use serde::{Deserialize, Deserializer};

use crate::error::{ApiError, FieldError};
use crate::phone::Phone;

/// Longest name, address or tag, in characters.
const LONGEST: usize = 200;
/// Most tags.
pub(super) const MOST_TAGS: usize = 50;

/// Collects mistakes.
#[derive(Debug, Default)]
pub(super) struct Checker(Vec<FieldError>);

impl Checker {
    fn refuse(&mut self, field: &str, message: impl Into<String>) {
        self.0.push(FieldError { field: field.to_owned(), message: message.into() });
    }

    /// A name: may be empty, is one line.
    pub(super) fn name(&mut self, field: &str, given: String) -> String {
        self.line(field, &given);
        given.trim().to_owned()
    }

    fn line(&mut self, field: &str, given: &str) {
        if given.chars().count() > LONGEST {
            self.refuse(field, "is longer than 200 characters");
        } else if given.chars().any(char::is_control) {
            self.refuse(field, "has control characters");
        }
    }

    /// A phone number with its country.
    pub(super) fn phone(&mut self, given: &str) -> Option<Phone> {
        let phone = Phone::parse(given, None);
        if phone.is_none() {
            self.refuse("phone", "must be a phone number with its country (`+5491155550101`)");
        }
        phone
    }

    /// A mail address, lower case.
    pub(super) fn email(&mut self, given: &str) -> Option<String> {
        let given = given.trim().to_lowercase();
        self.line("email", &given);
        let shaped = given.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty()
                && domain.contains('.')
                && !domain.contains('@')
                && !given.contains(char::is_whitespace)
        });
        if !shaped {
            self.refuse("email", "is no e-mail address");
        }
        Some(given)
    }

    /// An amount with two places at most, as the column keeps it.
    pub(super) fn amount(&mut self, given: &str) -> Option<String> {
        let (whole, cents) = given.split_once('.').unwrap_or((given, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let fits = (1..=10).contains(&whole.len()) && digits(whole) && cents.len() <= 2 && digits(cents);
        if !fits || given.ends_with('.') {
            self.refuse(
                "amount",
                "must be a number such as `1250000.50`, ten digits before the point at most",
            );
        }
        fits.then(|| given.to_owned())
    }

    /// ISO 4217.
    pub(super) fn currency(&mut self, given: &str) -> Option<String> {
        let shaped = given.len() == 3 && given.bytes().all(|byte| byte.is_ascii_uppercase());
        if !shaped {
            self.refuse("currency", "must be three capital letters (`ARS`)");
        }
        Some(given.to_owned())
    }

    /// Where a person came from.
    pub(super) fn lead_source(&mut self, given: &str) -> String {
        let shaped = (2..=40).contains(&given.len())
            && given.starts_with(|first: char| first.is_ascii_uppercase())
            && given.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
        if !shaped {
            self.refuse("lead_source", "must be a word such as `REFERRAL`");
        } else if given == "META_ADS" {
            self.refuse("lead_source", "`META_ADS` comes from Meta's forms only");
        }
        given.to_owned()
    }

    /// Words, each once.
    pub(super) fn tags(&mut self, given: Vec<String>) -> Vec<String> {
        if given.len() > MOST_TAGS {
            self.refuse("tags", "are more than 50");
        }
        let mut tags: Vec<String> = given.iter().map(|tag| tag.trim().to_owned()).collect();
        for tag in &tags {
            if tag.is_empty() {
                self.refuse("tags", "one is empty");
            }
            self.line("tags", tag);
        }
        tags.sort();
        tags.dedup();
        tags
    }

    /// Ends the checking.
    ///
    /// # Errors
    /// 400 with each mistake.
    pub(super) fn finish(self) -> Result<(), ApiError> {
        if self.0.is_empty() { Ok(()) } else { Err(ApiError::fields(self.0)) }
    }
}

/// A field that may be absent (leave it), null (clear it) or given.
pub(super) fn given<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_as_the_column_keeps_them() {
        for (text, fits) in [
            ("0", true),
            ("1250000.50", true),
            ("9999999999.99", true),
            ("10000000000", false),
            ("1.234", false),
            ("-1", false),
            ("1e5", false),
            (".5", false),
            ("5.", false),
            ("", false),
        ] {
            let mut checker = Checker::default();
            checker.amount(text);
            assert_eq!(checker.finish().is_ok(), fits, "{text}");
        }
    }

    #[test]
    fn every_mistake_is_named() {
        let mut checker = Checker::default();
        checker.email("no tengo");
        checker.phone("12");
        checker.lead_source("META_ADS");
        checker.tags(vec![String::new()]);
        let error = checker.finish().unwrap_err();
        let fields: Vec<&str> = error.fields.iter().map(|field| field.field.as_str()).collect();
        assert_eq!(fields, ["email", "phone", "lead_source", "tags"]);
    }
}
