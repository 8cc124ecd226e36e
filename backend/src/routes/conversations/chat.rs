//! `POST /chat`: a channel delivers a message. Idempotent on provider and id: a repeated delivery is answered like the
//! first and stored once.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::conversations::{self, Inbound};
use crate::error::{ApiError, ErrorBody, FieldError};
use crate::extract::Body;
use crate::phone::Phone;
use crate::state::AppState;
use crate::tenant::Transaction;

/// Channels a message may come through.
const CHANNELS: [&str; 5] = ["whatsapp", "instagram", "messenger", "web", "email"];
/// Longest message, in characters.
const LONGEST_BODY: usize = 16_000;
/// Longest id, name or account.
const LONGEST_NAME: usize = 200;

/// A message of somebody outside.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChatMessage {
    /// The tenant it is for.
    tenant_id: i32,
    /// `whatsapp`, `instagram`, `messenger`, `web` or `email`.
    channel: String,
    /// Who carried it.
    provider: String,
    /// Its id there; the same id again is the same message.
    provider_message_id: String,
    /// Phone number (`whatsapp`), address or account of who wrote.
    contact: String,
    /// What the channel calls them.
    name: Option<String>,
    /// What they wrote.
    body: String,
}

/// Where it was put.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChatReceipt {
    /// The message.
    message_id: i64,
    /// Its conversation.
    conversation_id: Uuid,
    /// Who wrote, when they are known.
    lead_id: Option<Uuid>,
    /// Whether it had been delivered before.
    repeated: bool,
}

/// Delivers a message.
#[utoipa::path(post, path = "/chat", tag = "conversations", request_body = ChatMessage, responses(
    (status = CREATED, body = ChatReceipt),
    (status = OK, description = "It had been delivered before", body = ChatReceipt),
    (status = BAD_REQUEST, body = ErrorBody),
    (status = NOT_FOUND, description = "No such tenant", body = ErrorBody),
))]
pub(crate) async fn chat(
    State(state): State<AppState>,
    Body(message): Body<ChatMessage>,
) -> Result<(StatusCode, Json<ChatReceipt>), ApiError> {
    let tenant_id = message.tenant_id;
    let inbound = message.checked()?;
    let mut transaction = Transaction::inside(state.database(), tenant_id).await?;
    let known: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM tenants WHERE id = $1 AND status = 'active')")
            .bind(tenant_id)
            .fetch_one(transaction.db())
            .await?;
    if !known {
        return Err(ApiError::not_found());
    }
    let received = conversations::receive(&mut transaction, &inbound).await?;
    transaction.commit().await?;
    let conversations::Received { message_id, conversation_id, lead_id, repeated } = received;
    let status = if repeated { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, Json(ChatReceipt { message_id, conversation_id, lead_id, repeated })))
}

impl ChatMessage {
    /// The message, or every field that cannot be used.
    fn checked(self) -> Result<Inbound, ApiError> {
        let mut fields = Vec::new();
        let mut refuse = |field: &str, message: &str| {
            fields.push(FieldError { field: field.to_owned(), message: message.to_owned() });
        };
        let channel = CHANNELS.into_iter().find(|channel| *channel == self.channel);
        if channel.is_none() {
            refuse("channel", "must be whatsapp, instagram, messenger, web or email");
        }
        let names = [
            ("provider", Some(&self.provider)),
            ("provider_message_id", Some(&self.provider_message_id)),
            ("contact", Some(&self.contact)),
            ("name", self.name.as_ref()),
        ];
        for (field, text) in names {
            let Some(text) = text else { continue };
            if text.trim().is_empty() && field != "name" {
                refuse(field, "is empty");
            } else if text.chars().count() > LONGEST_NAME {
                refuse(field, "is longer than 200 characters");
            } else if text.chars().any(char::is_control) {
                refuse(field, "has control characters");
            }
        }
        super::send::check_body(&self.body, LONGEST_BODY, &mut refuse);
        let phone = Phone::parse(&self.contact, None);
        if channel == Some("whatsapp") && phone.is_none() {
            refuse("contact", "must be a phone number with its country (`+5491155550101`)");
        }
        match channel {
            Some(channel) if fields.is_empty() => Ok(Inbound {
                channel,
                provider: self.provider,
                provider_message_id: self.provider_message_id,
                contact: match &phone {
                    Some(phone) if channel == "whatsapp" => phone.to_string(),
                    _ => self.contact.trim().to_owned(),
                },
                phone: phone.filter(|_| channel == "whatsapp"),
                name: self.name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()),
                body: self.body,
            }),
            _ => Err(ApiError::fields(fields)),
        }
    }
}
