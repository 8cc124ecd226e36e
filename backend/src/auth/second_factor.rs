//! The second factor of an account: six digits of an authenticator app that change every half minute (TOTP, RFC 6238),
//! and ten codes to come in without the phone. Each works once. Knows no route and no throttle: who asks counts failures.

mod recovery;

use chrono::Utc;
use rand::Rng;
use serde::Serialize;
use sqlx::FromRow;
use subtle::ConstantTimeEq;
use totp_rs::{Algorithm, TOTP};
use utoipa::ToSchema;
use uuid::Uuid;

use super::caller::Role;
use crate::error::ApiError;
use crate::tenant::Transaction;

/// Who the authenticator app says it is for.
const ISSUER: &str = "CRM";
/// Digits of a code.
const DIGITS: usize = 6;
/// Seconds that one code is shown.
const STEP_SECONDS: u64 = 30;
/// A clock may be wrong by so many steps. Source: RFC 6238, 5.2.
const TOLERANCE: i64 = 1;
/// Bytes of a secret. Source: RFC 4226, 4: 160 bits.
const SECRET_BYTES: usize = 20;
/// Longest text that is looked at as a code.
const LONGEST_CODE: usize = 32;

/// What an account has.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct Factor {
    secret: Option<Vec<u8>>,
    /// Whether a code is asked for.
    pub(crate) confirmed: bool,
    last_step: i64,
    /// Codes that are left for a day without the phone.
    pub(crate) recovery_left: i32,
    /// Whether the tenant asks its CEOs for one.
    asked_of_ceos: bool,
}

/// For an authenticator app.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Secret {
    /// To be typed in, Base32.
    pub(crate) secret: String,
    /// `otpauth://totp/…`, for a QR code.
    pub(crate) uri: String,
}

/// What a login is told.
#[derive(Debug)]
pub(crate) enum Door {
    /// Come in.
    Open,
    /// The first right code: asked for from now on; the codes for a day without the phone, shown once.
    Confirmed(Vec<String>),
    /// A code is missing.
    CodeNeeded,
    /// It is another one, or was used.
    WrongCode,
    /// The tenant asks for a second factor and this account has none yet.
    Enrol(Secret),
}

impl Factor {
    /// What this account has.
    ///
    /// # Errors
    /// When the database did not say.
    pub(crate) async fn of(transaction: &mut Transaction, user_id: Uuid) -> Result<Self, sqlx::Error> {
        sqlx::query_as(
            "SELECT f.secret, f.confirmed_at IS NOT NULL AS confirmed, coalesce(f.last_step, 0) AS last_step,
                    coalesce(cardinality(f.recovery), 0) AS recovery_left,
                    coalesce(t.settings->>'second_factor' = 'ceo', false) AS asked_of_ceos
             FROM tenants t LEFT JOIN second_factors f ON f.tenant_id = t.id AND f.user_id = $2 WHERE t.id = $1",
        )
        .bind(transaction.tenant_id())
        .bind(user_id)
        .fetch_one(transaction.db())
        .await
    }

    /// Whether somebody of this role may not do without.
    pub(crate) fn is_required(&self, role: Role) -> bool {
        self.asked_of_ceos && role == Role::Ceo
    }

    /// Whether a secret was shown and no code of it yet.
    pub(crate) fn is_pending(&self) -> bool {
        self.secret.is_some() && !self.confirmed
    }

    /// The step of a right code that was not used yet.
    fn step_of(&self, code: &str) -> Result<Option<i64>, ApiError> {
        let Some(secret) = &self.secret else { return Ok(None) };
        let totp = totp(secret, "")?;
        let now = Utc::now().timestamp() / i64::try_from(STEP_SECONDS).unwrap_or(30);
        let is_right = |step: &i64| {
            let at = u64::try_from(*step).unwrap_or(0) * STEP_SECONDS;
            totp.generate(at).as_bytes().ct_eq(code.as_bytes()).into()
        };
        Ok((now - TOLERANCE..=now + TOLERANCE).filter(|step| *step > self.last_step).find(is_right))
    }
}

/// What a login with the right password is told: `code` is what came along with it.
///
/// # Errors
/// When the database did not take it.
pub(crate) async fn at_the_door(
    transaction: &mut Transaction,
    (user_id, email, role): (Uuid, &str, Role),
    code: Option<&str>,
) -> Result<Door, ApiError> {
    let factor = Factor::of(transaction, user_id).await?;
    match (factor.confirmed, code) {
        (true, None) => Ok(Door::CodeNeeded),
        (true, Some(code)) => {
            let taken = spend(transaction, user_id, &factor, code).await?;
            Ok(if taken { Door::Open } else { Door::WrongCode })
        }
        (false, _) if !factor.is_required(role) => Ok(Door::Open),
        (false, Some(code)) if factor.is_pending() => {
            let codes = confirm(transaction, user_id, &factor, code).await?;
            Ok(codes.map_or(Door::WrongCode, Door::Confirmed))
        }
        // A new one each time: whoever had the password first must not know the secret that its owner confirms.
        (false, _) => Ok(Door::Enrol(begin(transaction, user_id, email).await?)),
    }
}

/// Stores a new secret that no code was given of yet, in place of one that was never confirmed.
///
/// # Errors
/// 409 `second_factor_on` when there is one that is asked for.
pub(crate) async fn begin(
    transaction: &mut Transaction,
    user_id: Uuid,
    email: &str,
) -> Result<Secret, ApiError> {
    let secret: [u8; SECRET_BYTES] = rand::rng().random();
    let stored = sqlx::query(
        "INSERT INTO second_factors AS f (tenant_id, user_id, secret) VALUES ($1, $2, $3)
         ON CONFLICT (tenant_id, user_id) DO UPDATE SET secret = EXCLUDED.secret, created_at = now(), last_step = 0
         WHERE f.confirmed_at IS NULL",
    )
    .bind(transaction.tenant_id())
    .bind(user_id)
    .bind(secret.as_slice())
    .execute(transaction.db())
    .await?;
    if stored.rows_affected() == 0 {
        let message = "this account has a second factor; turn it off before a new one";
        return Err(ApiError::conflict("second_factor_on", message, serde_json::json!({})));
    }
    shown(&secret, email)
}

/// Takes the first code; gives the codes for a day without the phone, or nothing when it is another code.
///
/// # Errors
/// When the database did not take it.
pub(crate) async fn confirm(
    transaction: &mut Transaction,
    user_id: Uuid,
    factor: &Factor,
    code: &str,
) -> Result<Option<Vec<String>>, ApiError> {
    let Some(step) = factor.step_of(&tidy(code))? else { return Ok(None) };
    let (codes, hashes) = recovery::codes();
    let confirmed = sqlx::query(
        "UPDATE second_factors SET confirmed_at = now(), last_step = $3, recovery = $4
         WHERE tenant_id = $1 AND user_id = $2 AND confirmed_at IS NULL AND secret = $5",
    )
    .bind(transaction.tenant_id())
    .bind(user_id)
    .bind(step)
    .bind(hashes)
    .bind(&factor.secret)
    .execute(transaction.db())
    .await?;
    Ok((confirmed.rows_affected() == 1).then_some(codes))
}

/// Uses up a code of the app or one for a day without it; false when it is another or was used.
///
/// # Errors
/// When the database did not take it.
pub(crate) async fn spend(
    transaction: &mut Transaction,
    user_id: Uuid,
    factor: &Factor,
    code: &str,
) -> Result<bool, ApiError> {
    let code = tidy(code);
    let tenant_id = transaction.tenant_id();
    let spent = match factor.step_of(&code)? {
        Some(step) => {
            sqlx::query(
                "UPDATE second_factors SET last_step = $3
             WHERE tenant_id = $1 AND user_id = $2 AND confirmed_at IS NOT NULL AND last_step < $3",
            )
            .bind(tenant_id)
            .bind(user_id)
            .bind(step)
            .execute(transaction.db())
            .await?
        }
        None => {
            sqlx::query(
                "UPDATE second_factors SET recovery = array_remove(recovery, $3)
             WHERE tenant_id = $1 AND user_id = $2 AND confirmed_at IS NOT NULL AND $3 = ANY (recovery)",
            )
            .bind(tenant_id)
            .bind(user_id)
            .bind(recovery::digest(&code))
            .execute(transaction.db())
            .await?
        }
    };
    Ok(spent.rows_affected() == 1)
}

/// Puts ten new recovery codes in the place of what is left of the old ones, and gives them.
///
/// # Errors
/// When the database did not take it.
pub(crate) async fn renew(transaction: &mut Transaction, user_id: Uuid) -> Result<Vec<String>, sqlx::Error> {
    let (codes, hashes) = recovery::codes();
    sqlx::query(
        "UPDATE second_factors SET recovery = $3 WHERE tenant_id = $1 AND user_id = $2 AND confirmed_at IS NOT NULL",
    )
    .bind(transaction.tenant_id())
    .bind(user_id)
    .bind(hashes)
    .execute(transaction.db())
    .await?;
    Ok(codes)
}

/// Takes it away; false when there was none.
///
/// # Errors
/// When the database did not take it.
pub(crate) async fn remove(transaction: &mut Transaction, user_id: Uuid) -> Result<bool, sqlx::Error> {
    let removed = sqlx::query("DELETE FROM second_factors WHERE tenant_id = $1 AND user_id = $2")
        .bind(transaction.tenant_id())
        .bind(user_id)
        .execute(transaction.db())
        .await?;
    Ok(removed.rows_affected() == 1)
}

/// What failures of codes are counted under: the right password, which forgets failures of passwords, does not forget
/// these.
pub(crate) fn counted_as(email: &str) -> String {
    format!("second factor of {email}")
}

/// Lets one login after the other try a code of this account.
///
/// # Errors
/// When the database did not say.
pub(crate) async fn in_turn(transaction: &mut Transaction, user_id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT FROM second_factors WHERE tenant_id = $1 AND user_id = $2 FOR UPDATE")
        .bind(transaction.tenant_id())
        .bind(user_id)
        .execute(transaction.db())
        .await
        .map(drop)
}

/// As people type it: spaces, dashes and capitals do not count.
fn tidy(code: &str) -> String {
    let letters = code.chars().filter(char::is_ascii_alphanumeric).take(LONGEST_CODE);
    letters.collect::<String>().to_ascii_lowercase()
}

fn shown(secret: &[u8], email: &str) -> Result<Secret, ApiError> {
    let totp = totp(secret, email)?;
    Ok(Secret { secret: totp.get_secret_base32(), uri: totp.get_url() })
}

fn totp(secret: &[u8], account: &str) -> Result<TOTP, ApiError> {
    let (issuer, account) = (Some(ISSUER.to_owned()), account.replace(':', ""));
    let made = TOTP::new(Algorithm::SHA1, DIGITS, 0, STEP_SECONDS, secret.to_vec(), issuer, account);
    made.map_err(|error| {
        tracing::error!(%error, "a second factor cannot be used");
        ApiError::internal()
    })
}

#[cfg(test)]
mod tests;
