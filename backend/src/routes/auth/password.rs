//! `POST /auth/password`: a new password. Asks for the present one, under the same throttle as a login, since a stolen
//! token must not be enough to take an account over; every other session ends.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::audit;
use crate::auth::session;
use crate::error::{ApiError, ErrorBody, FieldError};
use crate::extract::{Body, ClientAddress};
use crate::password::{self, PasswordError};
use crate::state::AppState;
use crate::tenant::Tenant;

/// The present password and the new one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPassword {
    /// What opens the account now.
    current: String,
    /// Eight characters or more, none of the most used ones.
    new: String,
}

/// Changes the caller's password and ends their other sessions.
#[utoipa::path(post, path = "/auth/password", tag = "auth", request_body = NewPassword, responses(
    (status = NO_CONTENT, description = "Changed; the other sessions have ended"),
    (status = BAD_REQUEST, description = "The new password is too easy, or the old one", body = ErrorBody),
    (status = FORBIDDEN, description = "`wrong_password`: the present one is another", body = ErrorBody),
    (status = TOO_MANY_REQUESTS, description = "Too many failures; `Retry-After` says when", body = ErrorBody)))]
pub(crate) async fn change(
    State(state): State<AppState>,
    address: ClientAddress,
    mut tenant: Tenant,
    Body(NewPassword { current, new }): Body<NewPassword>,
) -> Result<StatusCode, ApiError> {
    refuse_easy(&current, &new)?;
    let caller = tenant.caller();
    prove(&state, address, &mut tenant, current).await?;
    let hash = state.passwords().place().await.hash(new).await?;
    sqlx::query(
        "UPDATE users SET password_hash = $3, password_changed_at = now(), updated_at = now()
         WHERE tenant_id = $1 AND id = $2",
    )
    .bind(caller.tenant_id)
    .bind(caller.user_id)
    .bind(hash)
    .execute(tenant.db())
    .await?;
    let ended = session::end_others(tenant.transaction(), &caller, "password_changed").await?;
    let details = json!({ "sessions_ended": ended });
    let entity = Some(("user", caller.user_id.to_string()));
    let entry = audit::Entry { action: "user.password_changed", entity, details: &details };
    audit::record(tenant.transaction(), entry).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lets pass who knows the caller's password, under the throttle of logins; gives the account's e-mail address.
///
/// # Errors
/// 403 `wrong_password`; 429 after too many.
pub(super) async fn prove(
    state: &AppState,
    ClientAddress(address): ClientAddress,
    tenant: &mut Tenant,
    current: String,
) -> Result<String, ApiError> {
    let caller = tenant.caller();
    let (email, hash): (String, String) =
        sqlx::query_as("SELECT email, password_hash FROM users WHERE tenant_id = $1 AND id = $2 FOR UPDATE")
            .bind(caller.tenant_id)
            .bind(caller.user_id)
            .fetch_one(tenant.db())
            .await?;
    let attempt = state.throttle().attempt(&email, address);
    if let Some(wait) = state.throttle().wait_for(&attempt).await {
        return Err(ApiError::too_many(wait.as_secs().max(1)));
    }
    if !state.passwords().place().await.check(current, Some(hash)).await? {
        state.throttle().failed(&attempt).await;
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "wrong_password",
            "the present password is another",
        ));
    }
    state.throttle().succeeded(&attempt).await;
    Ok(email)
}

fn refuse_easy(current: &str, new: &str) -> Result<(), ApiError> {
    let refuse = |field: &str, message: String| {
        Err(ApiError::fields(vec![FieldError { field: field.to_owned(), message }]))
    };
    if current.len() > password::MAX_BYTES {
        return refuse("current", PasswordError::TooLong.to_string());
    }
    if new == current {
        return refuse("new", "is the present one".to_owned());
    }
    password::check_strength(new).or_else(|error| refuse("new", error.to_string()))
}
