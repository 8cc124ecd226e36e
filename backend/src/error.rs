//! The one error every handler returns, and its JSON shape `{"error":{"code","message","request_id"}}`.
//! Internals go to the log; the caller gets a stable code and a sentence. Renders no request id itself:
//! the envelope, which knows it, fills it in.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// One field of a request that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// Name of the field, as the request spells it.
    pub(crate) field: String,
    /// What is wrong with it.
    pub(crate) message: String,
}

/// What is inside `error`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorDetail {
    /// Stable word for programs, as `invalid_request`.
    pub(crate) code: String,
    /// Sentence for people.
    pub(crate) message: String,
    /// Id of the request, the same as in the log and in `x-request-id`.
    pub(crate) request_id: String,
    /// Each field that cannot be used; absent when it is not about fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) fields: Vec<FieldError>,
    /// What a program needs to go on, as the winner of a conflict; absent when there is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) details: Option<Value>,
}

/// Body of every error answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorBody {
    /// The error.
    pub(crate) error: ErrorDetail,
}

/// Why a request is refused or failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// Status of the answer.
    pub(crate) status: StatusCode,
    /// Stable code.
    pub(crate) code: &'static str,
    /// Sentence for people; never internals.
    pub(crate) message: String,
    /// Fields that cannot be used.
    pub(crate) fields: Vec<FieldError>,
    /// Seconds for `Retry-After`.
    pub(crate) retry_after: Option<u64>,
    /// What a program needs to go on.
    pub(crate) details: Option<Box<Value>>,
}

impl ApiError {
    /// An error with a stable code and a sentence for people.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), fields: Vec::new(), retry_after: None, details: None }
    }

    /// 400: the request cannot be understood.
    #[must_use]
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", message)
    }

    /// 400 with each field that is wrong.
    pub(crate) fn fields(fields: Vec<FieldError>) -> Self {
        Self { fields, ..Self::invalid("some fields cannot be used") }
    }

    /// 401: no valid token.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "a valid access token is needed")
    }

    /// 403: the caller may not do this.
    #[must_use]
    pub fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "this account may not do that")
    }

    /// 404: also for what belongs to another tenant.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is nothing here")
    }

    /// One field that cannot be used.
    #[must_use]
    pub fn field(field: &str, message: impl Into<String>) -> Self {
        Self::fields(vec![FieldError { field: field.to_owned(), message: message.into() }])
    }

    /// 409: what is there already stands against it; `details` says what.
    #[must_use]
    pub fn conflict(code: &'static str, message: impl Into<String>, details: Value) -> Self {
        Self { details: Some(Box::new(details)), ..Self::new(StatusCode::CONFLICT, code, message) }
    }

    /// 429 with the seconds to wait.
    pub(crate) fn too_many(retry_after: u64) -> Self {
        let message = "too many failed attempts, try again later";
        let error = Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", message);
        Self { retry_after: Some(retry_after), ..error }
    }

    /// 503: something this server needs is away.
    #[must_use]
    pub fn unavailable(message: impl Into<String>) -> Self {
        let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message);
        Self { retry_after: Some(1), ..error }
    }

    /// 500; the cause is in the log.
    pub(crate) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "something went wrong on our side")
    }

    /// The error that stands for a bare `status`, as the router gives it for an unknown path.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        let (code, message) = match status {
            StatusCode::NOT_FOUND => return Self::not_found(),
            StatusCode::UNAUTHORIZED => return Self::unauthorized(),
            StatusCode::FORBIDDEN => return Self::forbidden(),
            StatusCode::INTERNAL_SERVER_ERROR => return Self::internal(),
            StatusCode::METHOD_NOT_ALLOWED => ("method_not_allowed", "this path has no such method"),
            StatusCode::PAYLOAD_TOO_LARGE => ("body_too_large", "the body is larger than allowed"),
            StatusCode::REQUEST_TIMEOUT => ("timeout", "the request took too long"),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => ("unsupported_media_type", "the body must be JSON"),
            other if other.is_server_error() => ("unavailable", "the server cannot answer now"),
            _ => ("invalid_request", "the request cannot be understood"),
        };
        Self::new(status, code, message)
    }

    /// The JSON body, with the id of the request.
    pub(crate) fn body(&self, request_id: &str) -> ErrorBody {
        ErrorBody {
            error: ErrorDetail {
                code: self.code.to_owned(),
                message: self.message.clone(),
                request_id: request_id.to_owned(),
                fields: self.fields.clone(),
                details: self.details.as_deref().cloned(),
            },
        }
    }
}

impl From<sqlx::Error> for ApiError {
    /// Logged here, where it is turned into an answer.
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::PoolTimedOut | sqlx::Error::Io(_) | sqlx::Error::PoolClosed => {
                tracing::warn!(%error, "the database is away");
                Self::unavailable("the database cannot be reached")
            }
            sqlx::Error::Database(cause) if is_going_away(cause.code().as_deref()) => {
                tracing::warn!(%error, "the database is going away");
                Self::unavailable("the database cannot be reached")
            }
            // Serialization failure and deadlock: nothing happened, the same request may succeed.
            sqlx::Error::Database(cause) if matches!(cause.code().as_deref(), Some("40001" | "40P01")) => {
                tracing::warn!(%error, "two transactions stood in each other's way");
                Self::unavailable("somebody else changed the same thing, try again")
            }
            sqlx::Error::Database(cause) if cause.code().as_deref() == Some("57014") => {
                tracing::warn!(%error, "a statement took too long");
                Self::unavailable("the database took too long")
            }
            _ => {
                tracing::error!(%error, "a query failed");
                Self::internal()
            }
        }
    }
}

/// Shutdown, start-up and too many connections (`57P01-03`, `53300`).
fn is_going_away(code: Option<&str>) -> bool {
    matches!(code, Some("57P01" | "57P02" | "57P03" | "53300"))
}

impl IntoResponse for ApiError {
    /// An empty answer that carries this error; the envelope writes the body.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response.extensions_mut().insert(self);
        response
    }
}
