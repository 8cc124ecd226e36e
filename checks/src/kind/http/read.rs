//! The table of an HTTP check.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::HeaderName;

use super::Http;
use crate::assertion::Assertion;
use crate::capture::Capture;
use crate::kind::Probe;
use crate::strict::{Review, Table, Text};
use crate::template::{JsonTemplate, Template};

const METHODS: [(&str, Method); 7] = [
    ("GET", Method::GET),
    ("HEAD", Method::HEAD),
    ("POST", Method::POST),
    ("PUT", Method::PUT),
    ("PATCH", Method::PATCH),
    ("DELETE", Method::DELETE),
    ("OPTIONS", Method::OPTIONS),
];

/// How long an answer may take, unless the check says.
const TIMEOUT_MS: u64 = 10_000;

/// Reads the keys of an HTTP check.
pub(crate) fn read(table: &mut Table<'_>) -> Option<Box<dyn Probe>> {
    let review = table.review();
    let name = table.name().to_owned();
    let indexes: Vec<(&str, usize)> = METHODS.iter().enumerate().map(|(at, (word, _))| (*word, at)).collect();
    let method = table.word("method", &indexes).map_or(Method::GET, |at| METHODS[at].1.clone());
    let path = table.required_text("path").and_then(|text| read_path(&text, review));
    let headers = table.table("headers").map_or_else(Vec::new, |table| read_headers(table, review));
    let json = table.value("json").map(|value| JsonTemplate::read(value, review));
    let expect = read_expect(table, review);
    let capture = table.table("capture").map_or_else(Vec::new, |table| Capture::read_all(table, review));
    let session = table.text("session");
    let timeout = table.whole("timeout_ms", 1..=600_000).unwrap_or(TIMEOUT_MS);
    let load_weight = table.whole("load_weight", 0..=1000);
    let timeout = Duration::from_millis(timeout);
    let path = path?;
    Some(Box::new(Http { method, path, headers, json, expect, capture, session, timeout, load_weight, name }))
}

fn read_path(text: &Text, review: &Review<'_>) -> Option<Template> {
    let outside_references = text.as_str().split("{{").map(|part| part.rsplit("}}").next().unwrap_or(part));
    let has_blank =
        outside_references.clone().any(|part| part.contains(|c: char| c.is_whitespace() || c.is_control()));
    if !text.as_str().starts_with('/') || has_blank || text.as_str().contains('#') {
        let hint =
            "a path begins with `/`, holds no blanks and no `#`; the host is given by the run".to_owned();
        review.note(text.span.clone(), format!("`{}` is no path", text.as_str()), hint);
        return None;
    }
    Some(Template::read(text, review))
}

fn read_headers(table: Table<'_>, review: &Review<'_>) -> Vec<(HeaderName, Template)> {
    let read = table.pairs().into_iter().filter_map(|(name, value)| {
        let parsed = HeaderName::from_bytes(name.as_str().as_bytes());
        if parsed.is_err() {
            review.note(name.span.clone(), format!("`{}` is no name of a header", name.as_str()), None);
        }
        Some((parsed.ok()?, Template::read(&value, review)))
    });
    read.collect()
}

fn read_assertion(text: &Text, review: &Review<'_>) -> Option<Assertion> {
    let assertion = Assertion::read(text, review)?;
    if assertion.is_about_status() && assertion.is_conditional() {
        // Whether an answer is right at all would hang on what the run knows.
        let hint = "leave out `if …`; write a second check if two runs expect different answers".to_owned();
        review.note(text.span.clone(), "a status is asked for in every run".to_owned(), hint);
    }
    Some(assertion)
}

fn read_expect(table: &mut Table<'_>, review: &Review<'_>) -> Vec<Assertion> {
    let (present, place) = (table.has("expect"), table.place_of("expect"));
    let texts = table.texts("expect");
    let expect: Vec<Assertion> =
        texts.iter().flatten().filter_map(|text| read_assertion(text, review)).collect();
    // What could not be read has been noted, and may be the assertion about the status.
    let readable = texts.as_ref().map_or(!present, |texts| texts.len() == expect.len());
    if readable && !expect.iter().any(Assertion::is_about_status) {
        let hint = "for example: expect = [\"status == 200\"]".to_owned();
        review.note(place, "`expect` does not say which status is right", hint);
    }
    expect
}
