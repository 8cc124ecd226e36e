//! `GET /crm/conversations/{id}/messages`: what was said, newest first.

#![expect(
    unused_qualifications,
    reason = "the macro that documents the route names the parameters by their path"
)]

use axum::Json;
use axum::extract::Path;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::queries::{self, Message};
use crate::conversations::Scope;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Id, Query};
use crate::keyset;
use crate::tenant::Tenant;

/// Which part.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// Rows of a page, 1 to 200; 50 when absent.
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A page of messages.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Messages {
    /// The rows, newest first.
    messages: Vec<Message>,
    /// Id of the newest message of all; give it as `seen_up_to` when answering.
    newest_id: Option<i64>,
    /// Give it as `cursor` for the page after this; null on the last.
    next_cursor: Option<String>,
}

/// Messages of a conversation, a page at a time.
#[utoipa::path(get, path = "/crm/conversations/{id}/messages", tag = "conversations",
    params(Parameters, ("id" = uuid::Uuid, Path, description = "The conversation"), ("tenant_id" = Option<i32>, Query, description = "Must be the caller's own")),
    responses((status = OK, body = Messages), (status = BAD_REQUEST, body = ErrorBody), (status = NOT_FOUND, body = ErrorBody)))]
pub(crate) async fn messages(
    Path(Id(id)): Path<Id>,
    mut tenant: Tenant,
    Query(parameters): Query<Parameters>,
) -> Result<Json<Messages>, ApiError> {
    let scope = Scope::of(&tenant.caller());
    let limit = keyset::limit(parameters.limit.as_deref())?;
    let before = keyset::number(parameters.cursor.as_deref())?;
    let newest_id = queries::newest(&mut tenant, scope, id).await?.ok_or_else(ApiError::not_found)?;
    let mut messages = queries::messages(&mut tenant, id, before, limit + 1).await?;
    let next_cursor = keyset::cut(&mut messages, limit).map(|last| last.id.to_string());
    Ok(Json(Messages { messages, newest_id, next_cursor }))
}
