//! A value of an answer that later checks refer to as `{{check.name}}`.

use serde_json::Value as Json;

use crate::assertion::{Body, Query};
use crate::redact::{is_telling, is_tokenlike};
use crate::strict::{Review, Table};

/// `token = "$.access_token"`.
#[derive(Debug, Clone)]
pub(crate) struct Capture {
    pub(crate) name: String,
    query: Query,
}

/// A value that was captured.
#[derive(Debug)]
pub(crate) struct Captured {
    pub(crate) name: String,
    pub(crate) value: String,
    /// It has to stay out of every report.
    pub(crate) secret: bool,
}

impl Capture {
    /// Reads a table of captures.
    pub(crate) fn read_all(table: Table<'_>, review: &Review<'_>) -> Vec<Self> {
        let read = table.pairs().into_iter().filter_map(|(name, path)| {
            let query = Query::read(&path, review)?;
            if !query.singular {
                let hint = "capture one value: `$.leads[0].id`".to_owned();
                review.note(path.span.clone(), format!("`{}` may select many values", query.text), hint);
            }
            Some(Self { name: name.value, query })
        });
        read.collect()
    }

    pub(crate) fn path(&self) -> &str {
        &self.query.text
    }

    /// Takes the value from `body`; `None` when there is none, or it is a list or an object.
    pub(crate) fn take(&self, body: &Body) -> Option<Captured> {
        let value = match self.query.path.query(body.json()?).first()? {
            Json::String(text) => text.clone(),
            value @ (Json::Number(_) | Json::Bool(_)) => value.to_string(),
            Json::Null | Json::Array(_) | Json::Object(_) => return None,
        };
        let secret = is_telling(&self.name) || is_telling(&self.query.text) || is_tokenlike(&value);
        Some(Captured { name: self.name.clone(), value, secret })
    }
}
