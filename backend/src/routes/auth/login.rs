//! `POST /auth/login`. Unknown and wrong answer alike, in text and in time; what else is known about an
//! account is said only to who knows its password.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Names, TokenPair, User};
use crate::auth::session::{self, Login};
use crate::auth::throttle::Attempt;
use crate::error::{ApiError, ErrorBody, FieldError};
use crate::extract::{Body, ClientAddress};
use crate::policy::Role;
use crate::state::AppState;

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
    (status = UNAUTHORIZED, description = "Unknown account or wrong password", body = ErrorBody),
    (status = FORBIDDEN, description = "The account is pending or suspended", body = ErrorBody),
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
    let (email, password) = request.checked()?;
    let attempt = state.throttle().attempt(&email, address);
    let account = authenticate(&state, &attempt, &email, password).await?;
    let role = account.admitted()?;
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
    Ok(Json(account.answer(role, pair)))
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
        state.throttle().succeeded(attempt).await;
        return account.ok_or_else(ApiError::internal);
    }
    state.throttle().failed(attempt).await;
    Err(ApiError::new(StatusCode::UNAUTHORIZED, "invalid_credentials", "e-mail or password is wrong"))
}

async fn open_or_429(state: &AppState, attempt: &Attempt) -> Result<(), ApiError> {
    let wait = state.throttle().wait_for(attempt).await;
    wait.map_or(Ok(()), |wait| Err(ApiError::too_many(wait.as_secs().max(1))))
}

impl LoginRequest {
    /// Both fields, or every one that cannot be used.
    fn checked(self) -> Result<(String, String), ApiError> {
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
            (Some(email), Some(password)) if fields.is_empty() => Ok((email, password)),
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

    fn answer(self, role: Role, pair: TokenPair) -> LoginAnswer {
        let Self { id, email, tenant_id, first_name, last_name, locale, .. } = self;
        let names = Names { first: first_name, last: last_name };
        let TokenPair { access_token, refresh_token, token_type, expires_in } = pair;
        let user = User { id, email, role, tenant_id, names, locale };
        LoginAnswer { access_token, refresh_token, token_type, expires_in, user }
    }
}
