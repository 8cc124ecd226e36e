//! `/auth/second-factor`: a code of an authenticator app beside the password; and a CEO who takes it away from somebody
//! whose phone is gone.

use std::net::IpAddr;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::audit;
use crate::auth::second_factor::{self, Factor, Secret};
use crate::auth::session;
use crate::auth::throttle::Attempt;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Body, ClientAddress, Id};
use crate::state::AppState;
use crate::tenant::{Tenant, Transaction};

/// How it stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Standing {
    /// `off`, `pending` (shown, no code given yet) or `on`.
    state: &'static str,
    /// Whether the tenant asks this account for one.
    required: bool,
    /// Codes that are left for a day without the phone.
    recovery_codes_left: i32,
}

/// A code of the app, or one for a day without it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Code {
    /// Six digits, or a recovery code.
    code: String,
}

/// The present password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Present {
    /// What opens the account now: a stolen token must not be enough.
    current: String,
}

/// For a day without the phone.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Recovery {
    /// Each works once, in place of a code; shown only now.
    recovery_codes: Vec<String>,
}

/// How the caller's second factor stands.
#[utoipa::path(get, path = "/auth/second-factor", tag = "auth", responses((status = OK, body = Standing)))]
pub(crate) async fn get(mut tenant: Tenant) -> Result<Json<Standing>, ApiError> {
    let caller = tenant.caller();
    let factor = Factor::of(tenant.transaction(), caller.user_id).await?;
    let state = match (factor.confirmed, factor.is_pending()) {
        (true, _) => "on",
        (false, true) => "pending",
        (false, false) => "off",
    };
    let required = factor.is_required(caller.role);
    Ok(Json(Standing { state, required, recovery_codes_left: factor.recovery_left }))
}

/// Gives a secret for an authenticator app; it counts once a code of it was confirmed.
#[utoipa::path(post, path = "/auth/second-factor", tag = "auth", request_body = Present, responses(
    (status = OK, body = Secret),
    (status = FORBIDDEN, description = "`wrong_password`: the present one is another", body = ErrorBody),
    (status = CONFLICT, description = "`second_factor_on`", body = ErrorBody),
    (status = TOO_MANY_REQUESTS, description = "Too many failures; `Retry-After` says when", body = ErrorBody)))]
pub(crate) async fn begin(
    State(state): State<AppState>,
    address: ClientAddress,
    mut tenant: Tenant,
    Body(Present { current }): Body<Present>,
) -> Result<Json<Secret>, ApiError> {
    let caller = tenant.caller();
    let email = super::password::prove(&state, address, &mut tenant, current).await?;
    second_factor::begin(tenant.transaction(), caller.user_id, &email).await.map(Json)
}

/// Turns it on with its first code; gives the codes for a day without the phone.
#[utoipa::path(post, path = "/auth/second-factor/confirm", tag = "auth", request_body = Code, responses(
    (status = OK, body = Recovery),
    (status = FORBIDDEN, description = "`invalid_second_factor`: another code", body = ErrorBody),
    (status = CONFLICT, description = "`second_factor_not_pending`", body = ErrorBody),
    (status = TOO_MANY_REQUESTS, description = "Too many failures; `Retry-After` says when", body = ErrorBody)))]
pub(crate) async fn confirm(
    State(state): State<AppState>,
    ClientAddress(address): ClientAddress,
    mut tenant: Tenant,
    Body(Code { code }): Body<Code>,
) -> Result<Json<Recovery>, ApiError> {
    let caller = tenant.caller();
    let factor = Factor::of(tenant.transaction(), caller.user_id).await?;
    if !factor.is_pending() {
        let message = "there is no secret that waits for its first code";
        return Err(ApiError::conflict("second_factor_not_pending", message, json!({})));
    }
    let attempt = guess(&state, address, &mut tenant).await?;
    let confirmed = second_factor::confirm(tenant.transaction(), caller.user_id, &factor, &code).await?;
    let recovery_codes = counted(&state, &attempt, confirmed).await?;
    // Whoever has the password, and is why it is turned on, is not left inside.
    let ended = session::end_others(tenant.transaction(), &caller, "logout").await?;
    note(tenant.transaction(), "user.second_factor_on", caller.user_id, &json!({ "sessions_ended": ended }))
        .await?;
    Ok(Json(Recovery { recovery_codes }))
}

/// Turns it off, with a code.
#[utoipa::path(post, path = "/auth/second-factor/off", tag = "auth", request_body = Code, responses(
    (status = NO_CONTENT, description = "Nobody asks for a code any more"),
    (status = FORBIDDEN, description = "`invalid_second_factor`: another code", body = ErrorBody),
    (status = CONFLICT, description = "`second_factor_required`: the tenant asks for it; `second_factor_off`", body = ErrorBody),
    (status = TOO_MANY_REQUESTS, description = "Too many failures; `Retry-After` says when", body = ErrorBody)))]
pub(crate) async fn off(
    State(state): State<AppState>,
    ClientAddress(address): ClientAddress,
    mut tenant: Tenant,
    Body(Code { code }): Body<Code>,
) -> Result<StatusCode, ApiError> {
    let caller = tenant.caller();
    let factor = Factor::of(tenant.transaction(), caller.user_id).await?;
    if factor.is_required(caller.role) {
        let message = "the tenant asks its CEOs for a second factor";
        return Err(ApiError::conflict("second_factor_required", message, json!({})));
    }
    spend(&state, address, &mut tenant, &factor, &code).await?;
    second_factor::remove(tenant.transaction(), caller.user_id).await?;
    note(tenant.transaction(), "user.second_factor_off", caller.user_id, &json!({})).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives ten new codes for a day without the phone, for a code; those from before open nothing any more.
#[utoipa::path(post, path = "/auth/second-factor/codes", tag = "auth", request_body = Code, responses(
    (status = OK, body = Recovery),
    (status = FORBIDDEN, description = "`invalid_second_factor`: another code", body = ErrorBody),
    (status = CONFLICT, description = "`second_factor_off`", body = ErrorBody),
    (status = TOO_MANY_REQUESTS, description = "Too many failures; `Retry-After` says when", body = ErrorBody)))]
pub(crate) async fn codes(
    State(state): State<AppState>,
    ClientAddress(address): ClientAddress,
    mut tenant: Tenant,
    Body(Code { code }): Body<Code>,
) -> Result<Json<Recovery>, ApiError> {
    let caller = tenant.caller();
    let factor = Factor::of(tenant.transaction(), caller.user_id).await?;
    spend(&state, address, &mut tenant, &factor, &code).await?;
    let recovery_codes = second_factor::renew(tenant.transaction(), caller.user_id).await?;
    note(tenant.transaction(), "user.recovery_codes_renewed", caller.user_id, &json!({})).await?;
    Ok(Json(Recovery { recovery_codes }))
}

/// Takes the second factor of somebody of the tenant away, whose phone and codes are gone, and ends their sessions.
#[utoipa::path(delete, path = "/admin/core/users/{id}/second-factor", tag = "auth",
    params(("id" = Uuid, Path, description = "Whose")),
    responses((status = NO_CONTENT, description = "They come in with the password, and set a new one up where it is required"),
        (status = NOT_FOUND, body = ErrorBody),
        (status = CONFLICT, description = "`own_second_factor`: a token alone must not be enough", body = ErrorBody)))]
pub(crate) async fn take_away(Path(Id(id)): Path<Id>, mut tenant: Tenant) -> Result<StatusCode, ApiError> {
    if id == tenant.caller().user_id {
        let message = "one's own is turned off with a code, at /auth/second-factor/off";
        return Err(ApiError::conflict("own_second_factor", message, json!({})));
    }
    if !second_factor::remove(tenant.transaction(), id).await? {
        return Err(ApiError::not_found());
    }
    let ended = session::end_all(tenant.transaction(), id, "ended_by_ceo").await?;
    note(tenant.transaction(), "user.second_factor_taken_away", id, &json!({ "sessions_ended": ended }))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// An attempt at a code: one after the other, and counted like those at the door.
async fn guess(state: &AppState, address: IpAddr, tenant: &mut Tenant) -> Result<Attempt, ApiError> {
    let caller = tenant.caller();
    let email: String =
        sqlx::query_scalar("SELECT email FROM users WHERE tenant_id = $1 AND id = $2 FOR UPDATE")
            .bind(caller.tenant_id)
            .bind(caller.user_id)
            .fetch_one(tenant.db())
            .await?;
    let attempt = state.throttle().attempt(&second_factor::counted_as(&email), address);
    match state.throttle().wait_for(&attempt).await {
        Some(wait) => Err(ApiError::too_many(wait.as_secs().max(1))),
        None => Ok(attempt),
    }
}

/// Uses up a code of the caller's second factor, which is on.
async fn spend(
    state: &AppState,
    address: IpAddr,
    tenant: &mut Tenant,
    factor: &Factor,
    code: &str,
) -> Result<(), ApiError> {
    if !factor.confirmed {
        return Err(ApiError::conflict("second_factor_off", "there is no second factor", json!({})));
    }
    let attempt = guess(state, address, tenant).await?;
    let user_id = tenant.caller().user_id;
    let spent = second_factor::spend(tenant.transaction(), user_id, factor, code).await?;
    counted(state, &attempt, spent.then_some(())).await
}

/// What a right code opened; without it the attempt has failed.
async fn counted<T>(state: &AppState, attempt: &Attempt, opened: Option<T>) -> Result<T, ApiError> {
    let Some(opened) = opened else {
        state.throttle().failed(attempt).await;
        let message = "the code is another, or was used";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "invalid_second_factor", message));
    };
    state.throttle().succeeded(attempt).await;
    Ok(opened)
}

async fn note(
    transaction: &mut Transaction,
    action: &'static str,
    user: Uuid,
    details: &Value,
) -> Result<(), sqlx::Error> {
    let entity = Some(("user", user.to_string()));
    audit::record(transaction, audit::Entry { action, entity, details }).await
}
