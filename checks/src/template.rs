//! Text with `{{references}}`: parsed once when the file is read, rendered with the values of a run.
//! Owns the syntax; where values come from is the scene's business.

use std::fmt;
use std::ops::Range;

use serde_json::Value as Json;
use toml::de::DeValue;

use crate::strict::{Review, Text, Value};

/// `{{tenant_id}}` (no scope) or `{{login.token}}`, `{{ceo.email}}` (scope is a check or a session).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) scope: Option<String>,
    pub(crate) name: String,
    /// Where it stands in the suite file.
    pub(crate) place: Range<usize>,
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scope {
            Some(scope) => write!(f, "{{{{{scope}.{}}}}}", self.name),
            None => write!(f, "{{{{{}}}}}", self.name),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Plain(String),
    Reference(Reference),
}

/// A text whose references are known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

impl Template {
    /// Reads a string of the file; what is wrong is noted in `review`.
    pub(crate) fn read(text: &Text, review: &Review<'_>) -> Self {
        Self::read_part(text.as_str(), &|range| text.place(range), review)
    }

    /// Reads `value`, whose byte ranges `place` translates into places of the file.
    pub(crate) fn read_part(
        value: &str,
        place: &dyn Fn(Range<usize>) -> Range<usize>,
        review: &Review<'_>,
    ) -> Self {
        let mut parts = Vec::new();
        let mut at = 0;
        while let Some(open) = value[at..].find("{{").map(|open| at + open) {
            parts.push(Part::Plain(value[at..open].to_owned()));
            let Some(close) = value[open..].find("}}").map(|close| open + close) else {
                let hint = "a reference is written `{{name}}` or `{{check.capture}}`".to_owned();
                review.note(place(open..value.len()), "`{{` is never closed", hint);
                return Self { parts };
            };
            let range = place(open..close + 2);
            parts.extend(reference(&value[open + 2..close], range, review).map(Part::Reference));
            at = close + 2;
        }
        parts.push(Part::Plain(value[at..].to_owned()));
        parts.retain(|part| !matches!(part, Part::Plain(text) if text.is_empty()));
        Self { parts }
    }

    pub(crate) fn references(&self) -> impl Iterator<Item = &Reference> {
        self.parts.iter().filter_map(|part| match part {
            Part::Reference(reference) => Some(reference),
            Part::Plain(_) => None,
        })
    }

    /// The text with every reference replaced by what `value_of` says.
    pub(crate) fn render<E>(&self, value_of: impl Fn(&Reference) -> Result<String, E>) -> Result<String, E> {
        let parts = self.parts.iter().map(|part| match part {
            Part::Plain(text) => Ok(text.clone()),
            Part::Reference(reference) => value_of(reference),
        });
        parts.collect()
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| match part {
            Part::Plain(text) => f.write_str(text),
            Part::Reference(reference) => reference.fmt(f),
        })
    }
}

fn reference(inside: &str, place: Range<usize>, review: &Review<'_>) -> Option<Reference> {
    let inside = inside.trim();
    let (scope, name) = match inside.split_once('.') {
        Some((scope, name)) => (Some(scope), name),
        None => (None, inside),
    };
    if scope.is_none_or(is_word) && is_word(name) {
        return Some(Reference { scope: scope.map(str::to_owned), name: name.to_owned(), place });
    }
    let hint = "a reference is written `{{name}}` or `{{check.capture}}`".to_owned();
    review.note(place, format!("`{inside}` is no reference"), hint);
    None
}

/// Letters, digits, `-` and `_`, beginning with a letter.
pub(crate) fn is_word(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_alphabetic())
        && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

/// A JSON document whose strings may hold references.
#[derive(Debug, Clone)]
pub(crate) enum JsonTemplate {
    Literal(Json),
    Text(Template),
    List(Vec<JsonTemplate>),
    Object(Vec<(String, JsonTemplate)>),
}

impl JsonTemplate {
    /// Reads a TOML value as JSON; dates and `nan`, which JSON cannot say, are noted.
    pub(crate) fn read(value: Value<'_>, review: &Review<'_>) -> Self {
        match value.value {
            DeValue::String(text) => {
                let text = Text::new(text.into_owned(), value.span, review.source());
                Self::Text(Template::read(&text, review))
            }
            DeValue::Boolean(truth) => Self::Literal(Json::Bool(truth)),
            DeValue::Array(items) => {
                Self::List(items.into_iter().map(|item| Self::read(item.into(), review)).collect())
            }
            DeValue::Table(entries) => Self::Object(
                entries
                    .into_iter()
                    .map(|(key, item)| (key.into_inner().into_owned(), Self::read(item.into(), review)))
                    .collect(),
            ),
            DeValue::Integer(ref digits) => {
                let number = i64::from_str_radix(digits.as_str(), digits.radix()).ok().map(Json::from);
                Self::literal(number, &value, review)
            }
            DeValue::Float(ref digits) => {
                let number =
                    digits.as_str().parse().ok().and_then(serde_json::Number::from_f64).map(Json::from);
                Self::literal(number, &value, review)
            }
            DeValue::Datetime(_) => Self::literal(None, &value, review),
        }
    }

    fn literal(json: Option<Json>, value: &Value<'_>, review: &Review<'_>) -> Self {
        if json.is_none() {
            let message = format!("this {} cannot be said in JSON", value.value.type_str());
            review.note(value.span.clone(), message, "write it as a string".to_owned());
        }
        Self::Literal(json.unwrap_or_default())
    }

    pub(crate) fn references(&self) -> Vec<&Reference> {
        match self {
            Self::Literal(_) => Vec::new(),
            Self::Text(template) => template.references().collect(),
            Self::List(items) => items.iter().flat_map(Self::references).collect(),
            Self::Object(entries) => entries.iter().flat_map(|(_, item)| item.references()).collect(),
        }
    }

    pub(crate) fn render<E>(&self, value_of: &dyn Fn(&Reference) -> Result<String, E>) -> Result<Json, E> {
        Ok(match self {
            Self::Literal(json) => json.clone(),
            Self::Text(template) => Json::String(template.render(value_of)?),
            Self::List(items) => {
                Json::Array(items.iter().map(|item| item.render(value_of)).collect::<Result<_, E>>()?)
            }
            Self::Object(entries) => {
                let rendered = entries.iter().map(|(key, item)| Ok((key.clone(), item.render(value_of)?)));
                Json::Object(rendered.collect::<Result<_, E>>()?)
            }
        })
    }
}
