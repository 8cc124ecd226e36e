//! `GET /auth/me`: who the token belongs to, as the database knows them now.

use axum::Json;

use super::{Names, User};
use crate::error::ApiError;
use crate::tenant::Tenant;

/// The caller's own account.
#[utoipa::path(get, path = "/auth/me", tag = "auth", responses((status = OK, body = User)))]
pub(crate) async fn me(mut tenant: Tenant) -> Result<Json<User>, ApiError> {
    let caller = tenant.caller();
    let (email, first, last, locale): (String, String, String, String) = sqlx::query_as(
        "SELECT email, first_name, last_name, locale FROM users WHERE tenant_id = $1 AND id = $2",
    )
    .bind(caller.tenant_id)
    .bind(caller.user_id)
    .fetch_one(tenant.db())
    .await?;
    let names = Names { first, last };
    Ok(Json(User {
        id: caller.user_id,
        email,
        role: caller.role,
        tenant_id: caller.tenant_id,
        names,
        locale,
    }))
}
