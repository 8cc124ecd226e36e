//! `GET /webhooks/meta`: Meta asks once whether this address wants to be told, and gets its challenge back.

use axum::extract::State;
use serde::Deserialize;

use crate::error::{ApiError, ErrorBody};
use crate::extract::Query;
use crate::state::AppState;

/// What Meta asks with; whatever else it sends is of no interest.
#[derive(Deserialize)]
pub(crate) struct Greeting {
    /// `subscribe`.
    #[serde(rename = "hub.mode", default)]
    mode: String,
    /// The token of `META_VERIFY_TOKEN`.
    #[serde(rename = "hub.verify_token", default)]
    verify_token: String,
    /// What is answered.
    #[serde(rename = "hub.challenge", default)]
    challenge: String,
}

/// Longest challenge that is given back, in bytes.
const LONGEST: usize = 256;

/// Answers Meta's greeting with its challenge.
#[utoipa::path(get, path = "/webhooks/meta", tag = "meta-webhook", params(
    ("hub.mode" = String, Query, description = "`subscribe`"),
    ("hub.verify_token" = String, Query, description = "The token of `META_VERIFY_TOKEN`"),
    ("hub.challenge" = String, Query, description = "What is answered"),
), responses(
    (status = OK, description = "The challenge", body = String, content_type = "text/plain"),
    (status = FORBIDDEN, description = "Another token, or no greeting", body = ErrorBody),
    (status = SERVICE_UNAVAILABLE, description = "`feature_unavailable`: not set up", body = ErrorBody),
))]
pub(crate) async fn greet(
    State(state): State<AppState>,
    greeting: Result<Query<Greeting>, ApiError>,
) -> Result<String, ApiError> {
    let meta = state.meta()?;
    let Ok(Query(greeting)) = greeting else { return Err(ApiError::forbidden()) };
    let Some(known) = meta.greeted(&greeting.verify_token) else {
        let message = "META_VERIFY_TOKEN is not set on this server";
        return Err(ApiError::new(
            axum::http::StatusCode::SERVICE_UNAVAILABLE,
            "feature_unavailable",
            message,
        ));
    };
    let plain = greeting.challenge.bytes().all(|byte| byte.is_ascii_graphic());
    if known && greeting.mode == "subscribe" && plain && (1..=LONGEST).contains(&greeting.challenge.len()) {
        Ok(greeting.challenge)
    } else {
        Err(ApiError::forbidden())
    }
}
