//! `GET /crm/conversations/{id}`: one conversation as its list shows it.

use axum::Json;
use axum::extract::Path;

use super::queries::{self, Conversation, Which};
use crate::conversations::Scope;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Id;
use crate::tenant::Tenant;

/// One conversation.
#[utoipa::path(get, path = "/crm/conversations/{id}", tag = "conversations",
    params(("id" = uuid::Uuid, Path, description = "The conversation"), ("tenant_id" = Option<i32>, Query, description = "Must be the caller's own")),
    responses((status = OK, body = Conversation), (status = NOT_FOUND, body = ErrorBody)))]
pub(crate) async fn get(Path(Id(id)): Path<Id>, mut tenant: Tenant) -> Result<Json<Conversation>, ApiError> {
    let scope = Scope::of(&tenant.caller());
    let which = Which { id: Some(id), ..Which::default() };
    let found = queries::page(&mut tenant, scope, &which, None, 1).await?.into_iter().next();
    found.map(Json).ok_or_else(ApiError::not_found)
}
