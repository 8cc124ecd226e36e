//! A JSON body, bounded in size by the body limit and in time here.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use serde::de::DeserializeOwned;

use crate::error::ApiError;

/// Longest time a body may take to arrive.
const READ_TIMEOUT: Duration = Duration::from_secs(20);

/// The body of a request as a `T` (with `deny_unknown_fields`).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if !is_json(&request) {
            return Err(ApiError::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        let read = tokio::time::timeout(READ_TIMEOUT, Bytes::from_request(request, state)).await;
        let bytes = read.map_err(|_| ApiError::of_status(StatusCode::REQUEST_TIMEOUT))?;
        let bytes = bytes.map_err(|rejection| ApiError::of_status(rejection.status()))?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| refused(&error))
    }
}

fn is_json(request: &Request) -> bool {
    let value = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn refused(error: &serde_json::Error) -> ApiError {
    if error.is_syntax() || error.is_eof() {
        return ApiError::invalid("the body is not valid JSON");
    }
    // serde's text ends with the place, ` at line 1 column 9`.
    let text = error.to_string();
    let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
    ApiError::fields(vec![super::field_error(message)])
}
