//! `POST /auth/logout`: ends the session of the token; every token of it is refused from now on.

use axum::http::StatusCode;

use crate::auth::session;
use crate::error::ApiError;
use crate::tenant::Tenant;

/// Ends this session.
#[utoipa::path(post, path = "/auth/logout", tag = "auth",
    responses((status = NO_CONTENT, description = "The session has ended")))]
pub(crate) async fn logout(mut tenant: Tenant) -> Result<StatusCode, ApiError> {
    let caller = tenant.caller();
    session::end(tenant.db(), caller.tenant_id, caller.session_id, "logout").await?;
    Ok(StatusCode::NO_CONTENT)
}
