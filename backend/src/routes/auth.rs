//! `/auth/…`: in, on, out, who am I, and where else.

mod login;
mod logout;
mod me;
mod password;
mod refresh;
mod second_factor;
mod sessions;

use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::auth::token::ACCESS_SECONDS;
use crate::policy::{Policy, Role, Routes};

/// Routes of this resource.
pub(super) fn routes() -> Routes {
    Routes::new()
        .with(Policy::Public, routes!(login::login))
        .with(Policy::Public, routes!(refresh::refresh))
        .with(Policy::Any, routes!(logout::logout))
        .with(Policy::Any, routes!(me::me))
        .with(Policy::Any, routes!(password::change))
        .with(Policy::Any, routes!(second_factor::get, second_factor::begin))
        .with(Policy::Any, routes!(second_factor::confirm))
        .with(Policy::Any, routes!(second_factor::off))
        .with(Policy::Any, routes!(second_factor::codes))
        .with(Policy::Roles(&[Role::Ceo]), routes!(second_factor::take_away))
        .with(Policy::Any, routes!(sessions::own))
        .with(Policy::Any, routes!(sessions::end_own))
        .with(Policy::Roles(&[Role::Ceo]), routes!(sessions::of_tenant))
        .with(Policy::Roles(&[Role::Ceo]), routes!(sessions::end_of_tenant))
}

/// How a person is called.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Names {
    first: String,
    last: String,
}

/// A person, as they see themselves.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct User {
    id: Uuid,
    email: String,
    role: Role,
    tenant_id: i32,
    names: Names,
    /// `es` or `en`.
    locale: String,
}

/// A pair of tokens.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenPair {
    /// For `Authorization: Bearer …`.
    access_token: String,
    /// Works once, at `/auth/refresh`.
    refresh_token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// Seconds until the access token ends.
    expires_in: i64,
}

impl TokenPair {
    fn new(access_token: String, refresh_token: String) -> Self {
        Self { access_token, refresh_token, token_type: "Bearer", expires_in: ACCESS_SECONDS }
    }
}
