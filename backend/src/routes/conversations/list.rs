//! `GET /crm/conversations`: threads by their last message, newest first.

#![expect(
    unused_qualifications,
    reason = "the macro that documents the route names the parameters by their path"
)]

use axum::Json;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::queries::{self, Conversation, Which};
use crate::conversations::Scope;
use crate::error::{ApiError, ErrorBody, FieldError};
use crate::extract::Query;
use crate::keyset;
use crate::tenant::Tenant;

/// Name in cursors.
const LIST: &str = "conversations";

/// What is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// `open` (the default), `closed` or `all`.
    state: Option<String>,
    /// `true`: only those in which somebody waits for an answer.
    waiting: Option<String>,
    /// Id of the owner, or `unassigned`.
    seller: Option<String>,
    /// Id of the lead.
    lead: Option<String>,
    /// Rows of a page, 1 to 200; 50 when absent.
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A page of conversations.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Conversations {
    /// The rows.
    conversations: Vec<Conversation>,
    /// Give it as `cursor` for the page after this; null on the last.
    next_cursor: Option<String>,
}

/// Conversations in the caller's scope, a page at a time.
#[utoipa::path(get, path = "/crm/conversations", tag = "conversations",
    params(Parameters, ("tenant_id" = Option<i32>, Query, description = "Must be the caller's own")),
    responses((status = OK, body = Conversations), (status = BAD_REQUEST, body = ErrorBody)))]
pub(crate) async fn list(
    mut tenant: Tenant,
    Query(parameters): Query<Parameters>,
) -> Result<Json<Conversations>, ApiError> {
    let scope = Scope::of(&tenant.caller());
    let limit = keyset::limit(parameters.limit.as_deref())?;
    let place = keyset::place(LIST, parameters.cursor.as_deref())?;
    let which = parameters.which()?;
    let mut conversations = queries::page(&mut tenant, scope, &which, place, limit + 1).await?;
    let next_cursor =
        keyset::cut(&mut conversations, limit).map(|last| keyset::after(LIST, last.last_message_at, last.id));
    Ok(Json(Conversations { conversations, next_cursor }))
}

impl Parameters {
    fn which(self) -> Result<Which, ApiError> {
        let mut fields = Vec::new();
        let mut refuse = |field: &str, message: &str| {
            fields.push(FieldError { field: field.to_owned(), message: message.to_owned() });
        };
        let closed = match self.state.as_deref() {
            None | Some("open") => Some(false),
            Some("closed") => Some(true),
            Some("all") => None,
            Some(_) => {
                refuse("state", "must be `open`, `closed` or `all`");
                None
            }
        };
        let waiting = match self.waiting.as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => {
                refuse("waiting", "must be `true` or `false`");
                false
            }
        };
        let mut id = |field: &str, given: Option<&str>| {
            let id = given.and_then(|given| Uuid::try_parse(given).ok());
            if given.is_some() && id.is_none() {
                refuse(field, "is not an id");
            }
            id
        };
        let lead = id("lead", self.lead.as_deref());
        let unassigned = self.seller.as_deref() == Some("unassigned");
        let seller = if unassigned { None } else { id("seller", self.seller.as_deref()) };
        let which = Which { id: None, closed, waiting, seller, unassigned, lead };
        if fields.is_empty() { Ok(which) } else { Err(ApiError::fields(fields)) }
    }
}
