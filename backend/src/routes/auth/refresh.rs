//! `POST /auth/refresh`: the next pair of tokens for a refresh token that was not used yet.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::TokenPair;
use crate::auth::session;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Body;
use crate::state::AppState;

/// A refresh token.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RefreshRequest {
    /// As login or the last refresh gave it.
    refresh_token: String,
}

/// Trades a refresh token for the next pair.
#[utoipa::path(post, path = "/auth/refresh", tag = "auth", request_body = RefreshRequest, responses(
    (status = OK, body = TokenPair),
    (status = UNAUTHORIZED, description = "Unknown, ended or used before; used before ends the session",
        body = ErrorBody),
))]
pub(crate) async fn refresh(
    State(state): State<AppState>,
    Body(request): Body<RefreshRequest>,
) -> Result<Json<TokenPair>, ApiError> {
    let (caller, next) = session::rotate(state.database(), &request.refresh_token).await?;
    Ok(Json(TokenPair::new(state.tokens().sign(&caller), next.text)))
}
