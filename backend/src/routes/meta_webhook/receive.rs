//! `POST /webhooks/meta`: what Meta tells of is stored, in one round trip, and then acknowledged; the work is done later.
//! The signature is checked over the bytes as they came, before anything reads them.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::{ApiError, ErrorBody};
use crate::meta;
use crate::state::AppState;

/// Name of the header with the signature.
const SIGNATURE: &str = "x-hub-signature-256";
/// Longest time a body may take to arrive.
const READ_TIMEOUT: Duration = Duration::from_secs(20);

/// What was taken.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Acknowledged {
    /// Leads told of, those told of before included.
    received: usize,
}

/// Takes what Meta tells of.
#[utoipa::path(post, path = "/webhooks/meta", tag = "meta-webhook",
    params(("X-Hub-Signature-256" = String, Header, description = "`sha256=` and the HMAC of the body")),
    request_body(content = Object, description = "A webhook of Meta: `entry[].changes[]`"), responses(
        (status = OK, body = Acknowledged),
        (status = BAD_REQUEST, description = "No JSON, or no lead in it has a usable id", body = ErrorBody),
        (status = UNAUTHORIZED, description = "The signature is missing or wrong", body = ErrorBody),
        (status = SERVICE_UNAVAILABLE, description = "`feature_unavailable`: not set up", body = ErrorBody),
    ))]
pub(crate) async fn receive(
    State(state): State<AppState>,
    request: Request,
) -> Result<Json<Acknowledged>, ApiError> {
    let meta = state.meta()?;
    let signature =
        request.headers().get(SIGNATURE).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
    let signature = signature.ok_or_else(unsigned)?;
    let read = tokio::time::timeout(READ_TIMEOUT, Bytes::from_request(request, &state)).await;
    let bytes = read.map_err(|_| ApiError::of_status(StatusCode::REQUEST_TIMEOUT))?;
    let bytes = bytes.map_err(|rejection| ApiError::of_status(rejection.status()))?;
    if !meta.signed(&signature, &bytes) {
        return Err(unsigned());
    }
    let notices =
        meta::read_notices(&bytes).map_err(|_| ApiError::invalid("the body is no webhook of Meta"))?;
    if notices.unusable > 0 {
        tracing::warn!(changes = notices.unusable, "a webhook names leads by unusable ids");
        if notices.leads.is_empty() {
            return Err(ApiError::invalid("no change has a usable `leadgen_id` and `page_id`"));
        }
    }
    if !notices.leads.is_empty() {
        meta::store(state.database(), &notices.leads).await.map_err(not_stored)?;
    }
    Ok(Json(Acknowledged { received: notices.leads.len() }))
}

fn unsigned() -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, "bad_signature", "the signature is missing or wrong")
}

/// While migration 021 is reverted there is nowhere to store: Meta tells again later.
fn not_stored(error: sqlx::Error) -> ApiError {
    const UNDEFINED_FUNCTION: &str = "42883";
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    if code.as_deref() == Some(UNDEFINED_FUNCTION) {
        tracing::warn!("Meta tells of leads while migration 021 is not applied");
        return ApiError::unavailable("leads cannot be stored at the moment");
    }
    error.into()
}
