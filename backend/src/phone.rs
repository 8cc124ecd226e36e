//! Phone numbers as the CRM keeps them: E.164. Mobile numbers of Argentina and Mexico are written in two ways, with
//! and without a digit that only callers from abroad dial; one person must be one lead, so one way is kept.
//! Source: ITU-T E.164; ENACOM's plan for Argentina (+54 9 …), IFT's for Mexico (+52 1 … until 2019).

use std::fmt::{self, Debug, Display, Formatter};

/// A phone number in E.164: `+` and 7 to 15 digits. Shows itself in no log.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Phone(String);

impl Phone {
    /// The number in a text, however it is punctuated. A text without `+` or `00` is national: it is read in
    /// `country` (its calling code), or as it stands when it begins with that code and is long enough.
    pub(crate) fn parse(text: &str, country: Option<&str>) -> Option<Self> {
        let trimmed = text.trim();
        let international = trimmed.starts_with('+') || trimmed.starts_with("00");
        let allowed = |c: char| c.is_ascii_digit() || " +-().\u{a0}/".contains(c);
        if !trimmed.chars().all(allowed) || trimmed.chars().skip(1).any(|c| c == '+') {
            return None;
        }
        let digits: String = trimmed.chars().filter(char::is_ascii_digit).collect();
        let digits = match (international, country) {
            (true, _) => digits.trim_start_matches('0').to_owned(),
            (false, Some(code)) if !(digits.starts_with(code) && digits.len() > 10) => {
                format!("{code}{}", digits.trim_start_matches('0'))
            }
            (false, _) => digits.trim_start_matches('0').to_owned(),
        };
        let digits = one_way(&digits);
        ((7..=15).contains(&digits.len()) && !digits.starts_with('0')).then(|| Self(format!("+{digits}")))
    }

    /// `+5491155550101`.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The one way of the two.
fn one_way(digits: &str) -> String {
    // Mobile numbers of Mexico had a 1 after the country; the same numbers have none now.
    if let Some(rest) = digits.strip_prefix("521").filter(|rest| rest.len() == 10) {
        return format!("52{rest}");
    }
    // Those of Argentina need a 9, and inside the country a 15 after the area code.
    if let Some(rest) = digits.strip_prefix("54") {
        if let Some(national) = rest.strip_prefix('9').filter(|rest| rest.len() == 10) {
            return format!("549{national}");
        }
        let bare = rest.strip_prefix('9').unwrap_or(rest);
        if let Some(national) = without_fifteen(bare) {
            return format!("549{national}");
        }
        if bare.len() == 10 {
            return format!("549{bare}");
        }
    }
    digits.to_owned()
}

/// Area code (2 to 4 digits), 15, and the rest: together twelve.
fn without_fifteen(national: &str) -> Option<String> {
    if national.len() != 12 {
        return None;
    }
    (2..=4).find_map(|area| {
        let rest = national[area..].strip_prefix("15")?;
        Some(format!("{}{rest}", &national[..area]))
    })
}

impl Display for Phone {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Debug for Phone {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str("Phone(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<String> {
        Phone::parse(text, Some("54")).map(|phone| phone.to_string())
    }

    #[test]
    fn one_person_of_argentina_is_one_number() {
        for text in [
            "+54 9 11 5555-0101",
            "+541155550101",
            "0054 9 11 5555 0101",
            "5491155550101",
            "011 5555-0101",
            "11 5555 0101",
            "11 15 5555 0101",
            "+54 11 15 5555-0101",
        ] {
            assert_eq!(of(text).as_deref(), Some("+5491155550101"), "{text}");
        }
    }

    #[test]
    fn one_person_of_mexico_is_one_number() {
        for text in ["+52 1 55 1234 5678", "+525512345678", "00525512345678"] {
            assert_eq!(of(text).as_deref(), Some("+525512345678"), "{text}");
        }
        assert_eq!(Phone::parse("55 1234 5678", Some("52")).unwrap().as_str(), "+525512345678");
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in [
            "",
            "   ",
            "no tengo",
            "12",
            "+",
            "+1+2 5555555",
            "+54 9 11 5555-0101 int 3",
            "+1234567890123456",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
        assert_eq!(of("+34 612 345 678").as_deref(), Some("+34612345678"));
    }

    #[test]
    fn it_shows_itself_in_no_log() {
        assert_eq!(format!("{:?}", Phone::parse("+34612345678", None)), "Some(Phone(…))");
    }
}
