//! What others will see of a change, written in the transaction that causes it: committed together or not at all.
//! Every replica tails the table (`realtime`). Sends nothing itself.

use serde_json::Value;
use uuid::Uuid;

use crate::tenant::Transaction;

/// The names of events, as clients hear them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// A notification is new or came again.
    NewNotification,
    /// Something was marked read.
    NotificationMarkedRead,
    /// A lead or a conversation has another owner.
    SellerAssignmentUpdated,
    /// Somebody wrote in a conversation.
    NewMessage,
    /// Figures should be asked for again.
    MetricsUpdated,
    /// Somebody sent a lead form.
    MetaLeadReceived,
}

impl Event {
    /// The name on the socket.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::NewNotification => "new_notification",
            Self::NotificationMarkedRead => "notification_marked_read",
            Self::SellerAssignmentUpdated => "SELLER_ASSIGNMENT_UPDATED",
            Self::NewMessage => "NEW_MESSAGE",
            Self::MetricsUpdated => "metrics_updated",
            Self::MetaLeadReceived => "META_LEAD_RECEIVED",
        }
    }
}

/// Who hears it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// One person.
    Person(Uuid),
    /// This vendedor and every CEO; everybody when there is no vendedor: it lies in the common queue.
    Owner(Option<Uuid>),
}

/// Writes `event` for `audience`.
///
/// # Errors
/// When the database did not take it.
pub(crate) async fn publish(
    transaction: &mut Transaction,
    event: Event,
    audience: Audience,
    payload: &Value,
) -> Result<(), sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    let (sql, person) = match audience {
        Audience::Owner(None) => (TO_ONE, None),
        Audience::Person(person) => (TO_ONE, Some(person)),
        Audience::Owner(Some(owner)) => (TO_OWNER, Some(owner)),
    };
    sqlx::query(sql)
        .bind(tenant_id)
        .bind(event.name())
        .bind(person)
        .bind(payload)
        .execute(transaction.db())
        .await?;
    Ok(())
}

const TO_ONE: &str = "INSERT INTO outbox (tenant_id, event, recipient_id, payload) VALUES ($1, $2, $3, $4)";
const TO_OWNER: &str = "INSERT INTO outbox (tenant_id, event, recipient_id, payload)
    SELECT $1, $2, id, $4 FROM users
    WHERE tenant_id = $1 AND (id = $3 OR (role = 'ceo' AND status = 'active')) ORDER BY id";
