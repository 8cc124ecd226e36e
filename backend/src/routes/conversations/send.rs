//! `POST /crm/conversations/{id}/messages`: a person answers.

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::conversations::{self, Reply, Scope};
use crate::error::{ApiError, ErrorBody, FieldError};
use crate::extract::{Body, Id};
use crate::tenant::Tenant;

/// Longest answer, in characters. Source: the limit of a text message of the WhatsApp Business API.
const LONGEST: usize = 4_096;

/// An answer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewMessage {
    /// What to say.
    body: String,
    /// Id of the last message that the author has seen; without it, none.
    seen_up_to: Option<i64>,
}

/// The stored answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SentMessage {
    /// Its id.
    id: i64,
    /// When it was stored.
    created_at: DateTime<Utc>,
}

/// Answers in a conversation.
#[utoipa::path(post, path = "/crm/conversations/{id}/messages", tag = "conversations",
    params(("id" = uuid::Uuid, Path, description = "The conversation")), request_body = NewMessage, responses(
        (status = CREATED, body = SentMessage),
        (status = BAD_REQUEST, body = ErrorBody),
        (status = NOT_FOUND, body = ErrorBody),
        (status = CONFLICT, description = "`newer_message`, with the id that was not seen; `conversation_closed`; `already_assigned`", body = ErrorBody),
    ))]
pub(crate) async fn send(
    Path(Id(id)): Path<Id>,
    mut tenant: Tenant,
    Body(message): Body<NewMessage>,
) -> Result<(StatusCode, Json<SentMessage>), ApiError> {
    let mut fields = Vec::new();
    check_body(&message.body, LONGEST, &mut |field, message| {
        fields.push(FieldError { field: field.to_owned(), message: message.to_owned() });
    });
    if !fields.is_empty() {
        return Err(ApiError::fields(fields));
    }
    let caller = tenant.caller();
    let reply = Reply {
        conversation_id: id,
        body: message.body,
        seen_up_to: message.seen_up_to,
        author: caller.user_id,
        takes: caller.role.is_seller(),
    };
    let sent = conversations::send(tenant.transaction(), Scope::of(&caller), &reply).await?;
    Ok((StatusCode::CREATED, Json(SentMessage { id: sent.message_id, created_at: sent.created_at })))
}

/// Text that can be stored and read.
pub(super) fn check_body(body: &str, longest: usize, refuse: &mut impl FnMut(&str, &str)) {
    if body.trim().is_empty() {
        refuse("body", "is empty");
    } else if body.chars().count() > longest {
        refuse("body", &format!("is longer than {longest} characters"));
    } else if body.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        refuse("body", "has control characters");
    }
}
