//! `POST /auth/login`. Unknown and wrong answer alike, in text and in time; what else is known about an
//! account is said only to who knows its password.

use std::net::IpAddr;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::FromRow;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Names, TokenPair, User};
use crate::audit;
use crate::auth::second_factor::{self, Door};
use crate::auth::session::{self, Login};
use crate::auth::throttle::Attempt;
use crate::error::{ApiError, ErrorBody, FieldError};
use crate::extract::{Body, ClientAddress};
use crate::policy::Role;
use crate::state::AppState;
use crate::tenant::Transaction;

/// Longest e-mail address there is (RFC 5321, 4.5.3.1).
const LONGEST_EMAIL: usize = 254;

/// Who logs in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LoginRequest {
    /// E-mail address, in any case.
    #[schema(required)]
    email: Option<String>,
    /// Password.
    #[schema(required)]
    password: Option<String>,
    /// Of an authenticator app, or a recovery code: for accounts with a second factor.
    code: Option<String>,
}

/// A session begins.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LoginAnswer {
    /// For `Authorization: Bearer …`.
    access_token: String,
    /// Works once, at `/auth/refresh`.
    refresh_token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// Seconds until the access token ends.
    expires_in: i64,
    /// Who it is.
    user: User,
    /// For a day without the phone, each works once; only when `code` was the first of a new second factor.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    recovery_codes: Vec<String>,
}

/// What a request asks for, once it was looked at.
struct Wish {
    email: String,
    password: String,
    code: Option<String>,
}

#[derive(Debug, FromRow)]
struct Account {
    id: Uuid,
    tenant_id: i32,
    email: String,
    role: String,
    status: String,
    password_hash: String,
    token_version: i32,
    first_name: String,
    last_name: String,
    locale: String,
    tenant_status: String,
}

/// Begins a session.
#[utoipa::path(post, path = "/auth/login", tag = "auth", request_body = LoginRequest, responses(
    (status = OK, body = LoginAnswer),
    (status = BAD_REQUEST, description = "Fields are missing or unknown", body = ErrorBody),
    (status = UNAUTHORIZED, description = "Unknown account or wrong password; `second_factor_required`: send `code` too; \
        `invalid_second_factor`: it is another, or was used", body = ErrorBody),
    (status = FORBIDDEN, description = "The account is pending or suspended; `second_factor_enrolment`: the tenant asks for a \
        second factor, `details` has `secret` and `uri` for an authenticator app, log in again with its code", body = ErrorBody),
    (status = TOO_MANY_REQUESTS, description = "Too many failures; `Retry-After` says when", body = ErrorBody),
))]
pub(crate) async fn login(
    State(state): State<AppState>,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
    Body(request): Body<LoginRequest>,
) -> Result<Json<LoginAnswer>, ApiError> {
    #[cfg(feature = "faults")]
    crate::faults::login()?;
    let Wish { email, password, code } = request.checked()?;
    let attempt = state.throttle().attempt(&email, address);
    let account = authenticate(&state, &attempt, &email, password).await?;
    let role = account.admitted()?;
    let recovery_codes = second_factor(&state, address, (&account, role), code.as_deref()).await?;
    state.throttle().succeeded(&attempt).await;
    let login = Login {
        tenant_id: account.tenant_id,
        user_id: account.id,
        role,
        token_version: account.token_version,
        address,
        user_agent: headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()),
    };
    let (caller, refresh) = session::begin(state.database(), login).await?;
    let pair = TokenPair::new(state.tokens().sign(&caller), refresh.text);
    Ok(Json(account.answer(role, pair, recovery_codes)))
}

/// The second door: whoever has a second factor shows it. Gives codes that are to be shown once, mostly none.
async fn second_factor(
    state: &AppState,
    address: IpAddr,
    (account, role): (&Account, Role),
    code: Option<&str>,
) -> Result<Vec<String>, ApiError> {
    let mut transaction = Transaction::inside(state.database(), account.tenant_id).await?;
    let attempt = state.throttle().attempt(&second_factor::counted_as(&account.email), address);
    if code.is_some() {
        // Of many at once each sees the failures of those before it.
        second_factor::in_turn(&mut transaction, account.id).await?;
        open_or_429(state, &attempt).await?;
    }
    let who = (account.id, account.email.as_str(), role);
    let door = second_factor::at_the_door(&mut transaction, who, code).await?;
    match &door {
        Door::WrongCode => state.throttle().failed(&attempt).await,
        Door::Open if code.is_some() => state.throttle().succeeded(&attempt).await,
        Door::Confirmed(_) => confirmed(&mut transaction, account.id).await?,
        _ => {}
    }
    transaction.commit().await?;
    let unauthorized = |code, message: &str| ApiError::new(StatusCode::UNAUTHORIZED, code, message);
    match door {
        Door::Open => Ok(Vec::new()),
        Door::Confirmed(codes) => Ok(codes),
        Door::CodeNeeded => {
            let message =
                "this account has a second factor: send the code of its authenticator app as `code`";
            Err(unauthorized("second_factor_required", message))
        }
        Door::WrongCode => Err(unauthorized("invalid_second_factor", "the code is another, or was used")),
        Door::Enrol(secret) => {
            let message = "the tenant asks for a second factor: add the secret to an authenticator app and log in with its code";
            let error = ApiError::new(StatusCode::FORBIDDEN, "second_factor_enrolment", message);
            Err(ApiError { details: serde_json::to_value(secret).ok().map(Box::new), ..error })
        }
    }
}

/// The account whose password this is.
async fn authenticate(
    state: &AppState,
    attempt: &Attempt,
    email: &str,
    password: String,
) -> Result<Account, ApiError> {
    open_or_429(state, attempt).await?;
    let account: Option<Account> = sqlx::query_as(
        "SELECT id, tenant_id, email, role, status, password_hash, token_version, first_name, last_name,
                locale, tenant_status FROM crm_login_lookup($1)",
    )
    .bind(email)
    .fetch_optional(state.database().outside_tenants())
    .await?;
    let place = state.passwords().place().await;
    // While this one waited, others may have failed: without a second look they would all get a try.
    open_or_429(state, attempt).await?;
    let hash = account.as_ref().map(|account| account.password_hash.clone());
    if place.check(password, hash).await? {
        return account.ok_or_else(ApiError::internal);
    }
    state.throttle().failed(attempt).await;
    Err(ApiError::new(StatusCode::UNAUTHORIZED, "invalid_credentials", "e-mail or password is wrong"))
}

/// Notes that a second factor is on, and ends what was begun without it.
async fn confirmed(transaction: &mut Transaction, user_id: Uuid) -> Result<(), ApiError> {
    let ended = session::end_all(transaction, user_id, "logout").await?;
    let details = json!({ "sessions_ended": ended });
    let entity = Some(("user", user_id.to_string()));
    let entry = audit::Entry { action: "user.second_factor_on", entity, details: &details };
    audit::record(transaction, entry).await?;
    Ok(())
}

async fn open_or_429(state: &AppState, attempt: &Attempt) -> Result<(), ApiError> {
    let wait = state.throttle().wait_for(attempt).await;
    wait.map_or(Ok(()), |wait| Err(ApiError::too_many(wait.as_secs().max(1))))
}

impl LoginRequest {
    /// The fields, or every one that cannot be used.
    fn checked(self) -> Result<Wish, ApiError> {
        let email = self.email.map(|email| email.trim().to_lowercase());
        let mut fields = Vec::new();
        let mut refuse = |field: &str, message: &str| {
            fields.push(FieldError { field: field.to_owned(), message: message.to_owned() });
        };
        match email.as_deref() {
            None => refuse("email", "is missing"),
            Some(email) if !is_email(email) => refuse("email", "is no e-mail address"),
            Some(_) => {}
        }
        match self.password.as_deref() {
            None => refuse("password", "is missing"),
            Some("") => refuse("password", "is empty"),
            Some(password) if password.len() > crate::password::MAX_BYTES => {
                refuse("password", "is too long")
            }
            Some(_) => {}
        }
        match (email, self.password) {
            (Some(email), Some(password)) if fields.is_empty() => {
                Ok(Wish { email, password, code: self.code })
            }
            _ => Err(ApiError::fields(fields)),
        }
    }
}

/// Enough to look it up; whether it exists is not said. Text columns hold no NUL.
fn is_email(text: &str) -> bool {
    let (local, domain) = text.split_once('@').unwrap_or_default();
    !local.is_empty() && !domain.is_empty() && text.len() <= LONGEST_EMAIL && !text.contains(char::is_control)
}

impl Account {
    /// The role, when account and tenant may come in.
    fn admitted(&self) -> Result<Role, ApiError> {
        let refuse = |code, message: &str| Err(ApiError::new(StatusCode::FORBIDDEN, code, message));
        match (self.status.as_str(), self.tenant_status.as_str(), Role::from_name(&self.role)) {
            ("active", "active", Some(role)) => Ok(role),
            ("pending", _, _) => refuse("account_pending", "this account is not active yet"),
            ("active", "active", None) => {
                tracing::error!(role = self.role, "an account has an unknown role");
                Err(ApiError::internal())
            }
            _ => refuse("account_suspended", "this account is suspended"),
        }
    }

    fn answer(self, role: Role, pair: TokenPair, recovery_codes: Vec<String>) -> LoginAnswer {
        let Self { id, email, tenant_id, first_name, last_name, locale, .. } = self;
        let names = Names { first: first_name, last: last_name };
        let TokenPair { access_token, refresh_token, token_type, expires_in } = pair;
        let user = User { id, email, role, tenant_id, names, locale };
        LoginAnswer { access_token, refresh_token, token_type, expires_in, user, recovery_codes }
    }
}
