//! Sessions and their rotating refresh tokens. A token works once; shown again it ends its session,
//! since one of the two who hold it has stolen it. Only hashes are stored.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use rand::Rng;
use sha2::{Digest, Sha256};
use sqlx::FromRow;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::caller::{Caller, Role};
use crate::database::{Database, Metered};
use crate::error::ApiError;
use crate::tenant::Transaction;

/// A session ends after this, however often it was refreshed.
const SESSION_DAYS: i32 = 30;
/// A refresh token that was not used ends after this.
const REFRESH_DAYS: i32 = 7;

/// A new refresh token: the text for the client, the hash for the database.
pub(crate) struct RefreshToken {
    pub(crate) text: String,
    hash: Vec<u8>,
}

impl RefreshToken {
    fn new() -> Self {
        let text = URL_SAFE_NO_PAD.encode(rand::rng().random::<[u8; 32]>());
        let hash = digest(&text);
        Self { text, hash }
    }
}

fn digest(text: &str) -> Vec<u8> {
    Sha256::digest(text.as_bytes()).to_vec()
}

/// Who logs in, from where.
pub(crate) struct Login<'a> {
    pub(crate) tenant_id: i32,
    pub(crate) user_id: Uuid,
    pub(crate) role: Role,
    pub(crate) token_version: i32,
    pub(crate) address: IpAddr,
    pub(crate) user_agent: Option<&'a str>,
}

/// Begins a session.
///
/// # Errors
/// 503 or 500 when the database did not take it.
pub(crate) async fn begin(database: &Database, login: Login<'_>) -> Result<(Caller, RefreshToken), ApiError> {
    let token = RefreshToken::new();
    let session_id = Uuid::now_v7();
    let mut transaction = Transaction::inside(database, login.tenant_id).await?;
    let insert = sqlx::query(
        "WITH session AS (
           INSERT INTO sessions (tenant_id, id, user_id, expires_at, user_agent, ip)
           VALUES ($1, $2, $3, now() + make_interval(days => $4), left($5, 400), $6::inet)
           RETURNING tenant_id, id, expires_at),
         token AS (
           INSERT INTO refresh_tokens (tenant_id, id, session_id, token_hash, expires_at)
           SELECT tenant_id, $7, id, $8, least(expires_at, now() + make_interval(days => $9)) FROM session)
         UPDATE users SET last_login_at = now() WHERE tenant_id = $1 AND id = $3",
    )
    .bind(login.tenant_id)
    .bind(session_id)
    .bind(login.user_id)
    .bind(SESSION_DAYS)
    .bind(login.user_agent)
    .bind(login.address.to_string())
    .bind(Uuid::now_v7())
    .bind(&token.hash)
    .bind(REFRESH_DAYS);
    insert.execute(transaction.db()).await?;
    transaction.commit().await?;
    let Login { tenant_id, user_id, role, token_version, .. } = login;
    Ok((Caller { tenant_id, user_id, role, session_id, token_version }, token))
}

#[derive(Debug, FromRow)]
struct Known {
    tenant_id: i32,
    token_id: Uuid,
    session_id: Uuid,
    user_id: Uuid,
    token_expires_at: DateTime<Utc>,
    session_expires_at: DateTime<Utc>,
    session_revoked_at: Option<DateTime<Utc>>,
}

/// Trades a refresh token for the next one.
///
/// # Errors
/// 401 when it is unknown, ended, used before (which ends the session) or its account may not come in.
pub(crate) async fn rotate(database: &Database, shown: &str) -> Result<(Caller, RefreshToken), ApiError> {
    let known: Option<Known> = sqlx::query_as(
        "SELECT tenant_id, token_id, session_id, user_id, token_expires_at, session_expires_at,
                session_revoked_at FROM crm_refresh_lookup($1)",
    )
    .bind(digest(shown))
    .fetch_optional(database.outside_tenants())
    .await?;
    let known = known.ok_or_else(ApiError::unauthorized)?;
    let now = Utc::now();
    if known.session_revoked_at.is_some() || known.session_expires_at <= now || known.token_expires_at <= now
    {
        return Err(ApiError::unauthorized());
    }
    let mut transaction = Transaction::inside(database, known.tenant_id).await?;
    let caller = account(&mut transaction, &known).await?;
    let token = RefreshToken::new();
    let outcome = match (caller, replace(&mut transaction, &known, &token).await?) {
        (Some(caller), true) => Ok((caller, token)),
        (Some(_), false) => {
            tracing::warn!(session = %known.session_id, "a refresh token was shown twice, its session ends");
            end(transaction.db(), known.tenant_id, known.session_id, "reuse_detected").await?;
            Err(ApiError::unauthorized())
        }
        (None, _) => {
            end(transaction.db(), known.tenant_id, known.session_id, "user_disabled").await?;
            Err(ApiError::unauthorized())
        }
    };
    transaction.commit().await?;
    outcome
}

/// The account as it is now; none when it may not come in.
async fn account(transaction: &mut Transaction, known: &Known) -> Result<Option<Caller>, ApiError> {
    let row: Option<(String, i32)> = sqlx::query_as(
        "SELECT u.role, u.token_version FROM users u JOIN tenants t ON t.id = u.tenant_id
         WHERE u.tenant_id = $1 AND u.id = $2 AND u.status = 'active' AND t.status = 'active'
           -- A session from before the tenant asked for a second factor goes on no longer than its access token.
           AND (u.role <> 'ceo' OR t.settings->>'second_factor' IS DISTINCT FROM 'ceo' OR EXISTS (
             SELECT FROM second_factors f
             WHERE f.tenant_id = u.tenant_id AND f.user_id = u.id AND f.confirmed_at IS NOT NULL))",
    )
    .bind(known.tenant_id)
    .bind(known.user_id)
    .fetch_optional(transaction.db())
    .await?;
    Ok(row.and_then(|(role, token_version)| {
        let &Known { tenant_id, user_id, session_id, .. } = known;
        Role::from_name(&role).map(|role| Caller { tenant_id, user_id, role, session_id, token_version })
    }))
}

/// Marks the token used and stores the next; false when somebody was first.
async fn replace(
    transaction: &mut Transaction,
    known: &Known,
    next: &RefreshToken,
) -> Result<bool, ApiError> {
    let inserted = sqlx::query(
        "WITH used AS (
           UPDATE refresh_tokens SET used_at = now(), replaced_by = $3
           WHERE tenant_id = $1 AND id = $2 AND used_at IS NULL RETURNING session_id),
         touched AS (
           UPDATE sessions s SET last_used_at = now() FROM used
           WHERE s.tenant_id = $1 AND s.id = used.session_id AND s.revoked_at IS NULL
           RETURNING s.id, s.expires_at)
         INSERT INTO refresh_tokens (tenant_id, id, session_id, token_hash, expires_at)
         SELECT $1, $3, id, $4, least(expires_at, now() + make_interval(days => $5)) FROM touched",
    )
    .bind(known.tenant_id)
    .bind(known.token_id)
    .bind(Uuid::now_v7())
    .bind(&next.hash)
    .bind(REFRESH_DAYS)
    .execute(transaction.db())
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Ends every other session of the caller; gives how many there were.
pub(crate) async fn end_others(
    transaction: &mut Transaction,
    caller: &Caller,
    reason: &str,
) -> Result<u64, sqlx::Error> {
    let ended = sqlx::query(
        "UPDATE sessions SET revoked_at = now(), revoked_reason = $4
         WHERE tenant_id = $1 AND user_id = $2 AND id <> $3 AND revoked_at IS NULL AND expires_at > now()",
    )
    .bind(caller.tenant_id)
    .bind(caller.user_id)
    .bind(caller.session_id)
    .bind(reason)
    .execute(transaction.db())
    .await?;
    Ok(ended.rows_affected())
}

/// Ends every session of somebody; gives how many there were.
pub(crate) async fn end_all(
    transaction: &mut Transaction,
    user_id: Uuid,
    reason: &str,
) -> Result<u64, sqlx::Error> {
    let ended = sqlx::query(
        "UPDATE sessions SET revoked_at = now(), revoked_reason = $3
         WHERE tenant_id = $1 AND user_id = $2 AND revoked_at IS NULL AND expires_at > now()",
    )
    .bind(transaction.tenant_id())
    .bind(user_id)
    .bind(reason)
    .execute(transaction.db())
    .await?;
    Ok(ended.rows_affected())
}

/// Ends a session; its access tokens are refused from now on.
pub(crate) async fn end(
    db: Metered<&mut PgConnection>,
    tenant_id: i32,
    session_id: Uuid,
    reason: &str,
) -> Result<(), ApiError> {
    sqlx::query(
        "UPDATE sessions SET revoked_at = now(), revoked_reason = $3
         WHERE tenant_id = $1 AND id = $2 AND revoked_at IS NULL",
    )
    .bind(tenant_id)
    .bind(session_id)
    .bind(reason)
    .execute(db)
    .await?;
    Ok(())
}
