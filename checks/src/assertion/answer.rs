//! What a subject answered: the one shape that assertions and captures look at.

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::header::HeaderMap;
use serde_json::Value as Json;

/// What a subject answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
    /// From the request to the last byte of the body.
    pub(crate) duration: Duration,
}

/// The body of an answer, parsed as JSON when first asked.
#[derive(Debug)]
pub(crate) struct Body {
    text: String,
    json: OnceLock<Option<Json>>,
}

impl Body {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self { text: String::from_utf8_lossy(bytes).into_owned(), json: OnceLock::new() }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn json(&self) -> Option<&Json> {
        self.json.get_or_init(|| serde_json::from_str(&self.text).ok()).as_ref()
    }
}
