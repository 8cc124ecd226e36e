//! Query parameters. `tenant_id` never arrives: it is a claim that the policy layer has checked.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use crate::error::ApiError;

/// The query of a request as a `T` (with `deny_unknown_fields`).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let pairs = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
        let mut rest = form_urlencoded::Serializer::new(String::new());
        rest.extend_pairs(pairs.filter(|(name, _)| name != "tenant_id"));
        let rest = format!("/?{}", rest.finish());
        let uri = rest.parse().map_err(|_| ApiError::invalid("the query cannot be understood"))?;
        match axum::extract::Query::<T>::try_from_uri(&uri) {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(refused(&rejection)),
        }
    }
}

fn refused(rejection: &axum::extract::rejection::QueryRejection) -> ApiError {
    let mut cause: &dyn std::error::Error = rejection;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let message = cause.to_string();
    let (field, problem) = match message.split_once(": ") {
        // `limit: invalid digit found in string`
        Some((field, problem)) if !field.contains(' ') => (field, problem),
        _ => return ApiError::fields(vec![super::field_error(&message)]),
    };
    ApiError::fields(vec![crate::error::FieldError { field: field.to_owned(), message: problem.to_owned() }])
}
