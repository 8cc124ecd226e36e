//! `POST /crm/conversations/{id}/close` and `…/reopen`; doing it twice changes nothing more.

use axum::extract::Path;
use axum::http::StatusCode;

use crate::conversations::{self, Scope};
use crate::error::{ApiError, ErrorBody};
use crate::extract::Id;
use crate::tenant::Tenant;

/// Closes a conversation: nobody waits in it any more.
#[utoipa::path(post, path = "/crm/conversations/{id}/close", tag = "conversations",
    params(("id" = uuid::Uuid, Path, description = "The conversation")),
    responses((status = NO_CONTENT), (status = NOT_FOUND, body = ErrorBody)))]
pub(crate) async fn close(Path(Id(id)): Path<Id>, mut tenant: Tenant) -> Result<StatusCode, ApiError> {
    let scope = Scope::of(&tenant.caller());
    conversations::close(tenant.transaction(), scope, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Opens a closed conversation again; the clock stands still until the lead writes.
#[utoipa::path(post, path = "/crm/conversations/{id}/reopen", tag = "conversations",
    params(("id" = uuid::Uuid, Path, description = "The conversation")), responses(
        (status = NO_CONTENT),
        (status = NOT_FOUND, body = ErrorBody),
        (status = CONFLICT, description = "`conversation_open`: another one with this person is open on this channel", body = ErrorBody),
    ))]
pub(crate) async fn reopen(Path(Id(id)): Path<Id>, mut tenant: Tenant) -> Result<StatusCode, ApiError> {
    let scope = Scope::of(&tenant.caller());
    conversations::reopen(tenant.transaction(), scope, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
