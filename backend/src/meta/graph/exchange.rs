//! One question over HTTP: sent, its answer read to a bounded end, its errors told without addresses. Knows no question.

use std::time::Duration;

use reqwest::header;
use serde_json::Value;

use super::GraphError;

/// Largest answer that is read, in bytes.
const LARGEST: usize = 8 * 1024 * 1024;

/// Sends, and reads the answer to its end.
pub(super) async fn exchange(request: reqwest::RequestBuilder) -> Result<Value, GraphError> {
    let mut answer = request.send().await.map_err(|error| GraphError::Away(told(error)))?;
    let status = answer.status();
    let wait =
        answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(|error| GraphError::Away(told(error)))? {
        if body.len() + part.len() > LARGEST {
            return Err(GraphError::Unreadable(format!("it has more than {LARGEST} bytes")));
        }
        body.extend_from_slice(&part);
    }
    let json = serde_json::from_slice::<Value>(&body);
    if let Some(error) = GraphError::of(status, json.as_ref().ok(), wait.map(Duration::from_secs)) {
        return Err(error);
    }
    json.map_err(|_| GraphError::Unreadable("it is no JSON".to_owned()))
}

/// The error and its causes without its address, which could hold what is secret.
pub(super) fn told(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(deeper) = cause {
        text = format!("{text}: {deeper}");
        cause = deeper.source();
    }
    text
}
