//! Whether an assertion holds for an answer, and what stood there instead.

use std::time::Duration;

use reqwest::header::HeaderMap;
use serde_json::Value as Json;

use super::answer::{Answer, Body};
use super::compare::{contains, equal};
use super::{Assertion, Operand, Predicate, Query, Target};
use crate::redact::{HIDDEN, is_telling};
use crate::template::Reference;

/// What became of an assertion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Held,
    /// Its condition names a variable that this run does not know.
    NotAsked {
        assertion: String,
    },
    Broken {
        expected: String,
        actual: String,
    },
}

/// Gives the values of references; the error says what is missing.
pub(crate) type Lookup<'a> = dyn Fn(&Reference) -> Result<String, String> + Sync + 'a;

impl Assertion {
    /// Judges `answer`.
    ///
    /// # Errors
    /// A reference that has no value in this run.
    pub(crate) fn judge(&self, answer: &Answer, value_of: &Lookup<'_>) -> Result<Verdict, String> {
        if self.condition.as_ref().is_some_and(|condition| value_of(condition).is_err()) {
            return Ok(Verdict::NotAsked { assertion: self.source.to_string() });
        }
        let broken = match &self.target {
            Target::Status => self.number(Json::from(answer.status), "")?,
            Target::DurationMs => self.number(millis(answer.duration), " ms")?,
            Target::Body => self.text(Some(answer.body.text()), "", value_of)?,
            Target::Header(name) => {
                let found = header(&answer.headers, name);
                self.text(found.as_deref(), &format!("no header `{name}`"), value_of)?
            }
            Target::Json(query) => self.json(query, &answer.body, value_of)?,
            Target::Count(query) => self.count(query, &answer.body)?,
        };
        let Some(actual) = broken else { return Ok(Verdict::Held) };
        Ok(Verdict::Broken { expected: self.source.render(value_of)?, actual })
    }

    /// It says nothing against this status.
    pub(crate) fn allows_status(&self, status: u16) -> bool {
        let broken = self.is_about_status().then(|| self.number(Json::from(status), "")).transpose();
        matches!(broken.map(Option::flatten), Ok(None))
    }

    fn number(&self, actual: Json, unit: &str) -> Result<Option<String>, String> {
        let held = self.predicate.holds(&actual, &|_| Err("no text here".to_owned()))?;
        Ok((!held).then(|| format!("{actual}{unit}")))
    }

    fn text(
        &self,
        actual: Option<&str>,
        none: &str,
        value_of: &Lookup<'_>,
    ) -> Result<Option<String>, String> {
        let held = match (&self.predicate, actual) {
            (Predicate::Exists, actual) => actual.is_some(),
            (Predicate::Absent, actual) => actual.is_none(),
            (_, None) => false,
            (predicate, Some(text)) => predicate.holds(&Json::from(text), value_of)?,
        };
        Ok((!held).then(|| actual.map_or_else(|| none.to_owned(), |text| text.to_owned())))
    }

    fn json(&self, query: &Query, body: &Body, value_of: &Lookup<'_>) -> Result<Option<String>, String> {
        let Some(json) = body.json() else { return Ok(Some(not_json(body))) };
        let selected = query.path.query(json).all();
        match &self.predicate {
            Predicate::Exists => Ok(selected.is_empty().then(|| query.nothing())),
            Predicate::Absent => Ok(selected.first().map(|value| query.quote(value))),
            _ if selected.is_empty() => Ok(Some(query.nothing())),
            predicate => {
                for value in selected {
                    if !predicate.holds(value, value_of)? {
                        return Ok(Some(query.quote(value)));
                    }
                }
                Ok(None)
            }
        }
    }

    fn count(&self, query: &Query, body: &Body) -> Result<Option<String>, String> {
        let Some(json) = body.json() else { return Ok(Some(not_json(body))) };
        let selected = query.path.query(json).all();
        let count = match selected.as_slice() {
            [] if query.singular => return Ok(Some(query.nothing())),
            [Json::Array(items)] if query.singular => items.len(),
            [other] if query.singular => return Ok(Some(format!("no list: {}", query.quote(other)))),
            several => several.len(),
        };
        self.number(Json::from(count), "")
    }
}

impl Query {
    fn nothing(&self) -> String {
        format!("nothing at `{}`", self.text)
    }

    fn quote(&self, value: &Json) -> String {
        if is_telling(&self.text) { HIDDEN.to_owned() } else { value.to_string() }
    }
}

impl Predicate {
    fn holds(&self, actual: &Json, value_of: &Lookup<'_>) -> Result<bool, String> {
        Ok(match self {
            Self::Exists => true,
            Self::Absent => false,
            Self::Compare(operator, operand) => operator.holds(actual, &operand.value(value_of)?),
            Self::In(operands) => any(operands, actual, value_of)?,
            Self::NotIn(operands) => !any(operands, actual, value_of)?,
            Self::Contains(operand) => contains(actual, &operand.value(value_of)?),
            Self::ContainsNot(operand) => !contains(actual, &operand.value(value_of)?),
            Self::StartsWith(operand) => match (actual, operand.value(value_of)?) {
                (Json::String(text), Json::String(start)) => text.starts_with(&start),
                _ => false,
            },
            Self::Is(kind) => kind.matches(actual),
            Self::IsNot(kind) => !kind.matches(actual),
        })
    }
}

impl Operand {
    fn value(&self, value_of: &Lookup<'_>) -> Result<Json, String> {
        match self {
            Self::Json(json) => Ok(json.clone()),
            Self::Text(template) => template.render(value_of).map(Json::String),
        }
    }
}

fn any(operands: &[Operand], actual: &Json, value_of: &Lookup<'_>) -> Result<bool, String> {
    for operand in operands {
        if equal(actual, &operand.value(value_of)?) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    let values: Vec<_> = headers
        .get_all(name)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .collect();
    (!values.is_empty()).then(|| values.join(", "))
}

fn not_json(body: &Body) -> String {
    if body.text().is_empty() { "an empty body".to_owned() } else { format!("no JSON: {}", body.text()) }
}

/// Milliseconds, to a tenth.
fn millis(duration: Duration) -> Json {
    Json::from((duration.as_secs_f64() * 10_000.0).round() / 10.0)
}
