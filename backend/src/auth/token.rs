//! Access tokens: HS256, fixed in code; 15 minutes; a previous key still verifies while keys rotate.
//! Stores nothing and decides nothing about accounts (`tenant` asks the database).

use std::fmt::{self, Debug, Formatter};

use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::caller::{Caller, Role};
use crate::settings::Settings;

/// Lifetime of an access token in seconds.
pub(crate) const ACCESS_SECONDS: i64 = 15 * 60;
/// Who signs.
const ISSUER: &str = "crm-backend";
/// Who it is for.
const AUDIENCE: &str = "crm";
/// How far in the future `iat` may lie: clocks of replicas differ a little.
const CLOCK_SKEW_SECONDS: i64 = 30;
/// Longest token that is looked at.
const LONGEST: usize = 4096;

/// What an access token says.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: Uuid,
    tid: i32,
    role: Role,
    ver: i32,
    sid: Uuid,
    exp: i64,
    iat: i64,
    jti: Uuid,
}

/// A token that is not valid now; the reasons are all the same to the outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the token is not valid")]
pub(crate) struct BadToken;

/// Signs and verifies access tokens.
pub(crate) struct Tokens {
    signing: EncodingKey,
    verifying: Vec<DecodingKey>,
    validation: Validation,
}

impl Debug for Tokens {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "Tokens({} keys)", self.verifying.len())
    }
}

impl Tokens {
    /// Keys from the settings: the current one signs, both verify.
    #[must_use]
    pub(crate) fn new(settings: &Settings) -> Self {
        let keys: Vec<&SecretString> = [Some(&settings.jwt_secret), settings.jwt_secret_previous.as_ref()]
            .into_iter()
            .flatten()
            .collect();
        let verifying = keys.iter().map(|key| DecodingKey::from_secret(key.expose_secret().as_bytes()));
        Self {
            signing: EncodingKey::from_secret(settings.jwt_secret.expose_secret().as_bytes()),
            verifying: verifying.collect(),
            validation: validation(),
        }
    }

    /// A token for `caller`, from now on for [`ACCESS_SECONDS`].
    pub(crate) fn sign(&self, caller: &Caller) -> String {
        let now = Utc::now().timestamp();
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: caller.user_id,
            tid: caller.tenant_id,
            role: caller.role,
            ver: caller.token_version,
            sid: caller.session_id,
            exp: now + ACCESS_SECONDS,
            iat: now,
            jti: Uuid::now_v7(),
        };
        let header = Header::new(Algorithm::HS256);
        jsonwebtoken::encode(&header, &claims, &self.signing).expect("plain claims always serialise")
    }

    /// The caller that `token` names.
    ///
    /// # Errors
    /// When it is malformed, signed otherwise, expired, from the future or for somebody else.
    pub(crate) fn verify(&self, token: &str) -> Result<Caller, BadToken> {
        self.read(token).map(|(caller, _)| caller)
    }

    /// The caller that `token` names, and until when.
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub(crate) fn read(&self, token: &str) -> Result<(Caller, DateTime<Utc>), BadToken> {
        if token.len() > LONGEST {
            return Err(BadToken);
        }
        let decoded = self.verifying.iter().find_map(|key| {
            jsonwebtoken::decode::<Claims>(token, key, &self.validation).ok().map(|data| data.claims)
        });
        let claims = decoded.ok_or(BadToken)?;
        if claims.iat > Utc::now().timestamp() + CLOCK_SKEW_SECONDS {
            return Err(BadToken);
        }
        let caller = Caller {
            tenant_id: claims.tid,
            user_id: claims.sub,
            role: claims.role,
            session_id: claims.sid,
            token_version: claims.ver,
        };
        Ok((caller, DateTime::from_timestamp(claims.exp, 0).ok_or(BadToken)?))
    }
}

fn validation() -> Validation {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation.leeway = 0;
    validation
}
