//! `assignment`: somebody got a lead or a conversation. High to the new owner, medium to the CEOs, never to who did it.

use serde_json::json;
use sqlx::FromRow;
use uuid::Uuid;

use super::{Kind, Notice, Priority, raise};
use crate::assignment::{Reason, Subject};
use crate::tenant::Transaction;

/// Who got what, in words.
#[derive(Debug, FromRow)]
struct Given {
    /// Id of the newest row of the log: each assignment is a fact of its own.
    log_id: i64,
    name: Option<String>,
    campaign: Option<String>,
    seller: String,
}

/// Tells the new owner and the CEOs; not `actor`, who did it.
///
/// # Errors
/// When the database did not take it.
pub(crate) async fn assigned(
    transaction: &mut Transaction,
    subject: Subject,
    owner: Uuid,
    reason: Reason,
    actor: Option<Uuid>,
) -> Result<(), sqlx::Error> {
    let given = given(transaction, subject, owner).await?;
    let (entity, id, link) = match subject {
        Subject::Lead(id) => ("lead", id, format!("/leads/{id}")),
        Subject::Stranger(id) => ("conversation", id, format!("/conversaciones/{id}")),
    };
    let mut readers = vec![(owner, Priority::High, "assignment.to_you")];
    readers.extend(
        ceos(transaction)
            .await?
            .into_iter()
            .filter(|ceo| *ceo != owner)
            .map(|ceo| (ceo, Priority::Medium, "assignment.to_seller")),
    );
    for (recipient, priority, text) in readers.into_iter().filter(|(reader, ..)| Some(*reader) != actor) {
        let notice = Notice {
            recipient,
            actor,
            kind: Kind::Assignment,
            priority,
            episode: given.log_id.to_string(),
            key: format!("assignment:{id}:{}", given.log_id),
            text,
            params: json!({ "lead": given.name, "campaign": given.campaign, "seller": given.seller }),
            reasons: json!([{ "reason": reason.name() }]),
            entity: (entity, id.to_string()),
            link: link.clone(),
        };
        raise(transaction, &notice).await?;
    }
    Ok(())
}

async fn given(transaction: &mut Transaction, subject: Subject, owner: Uuid) -> Result<Given, sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    let (lead, stranger) = match subject {
        Subject::Lead(id) => (Some(id), None),
        Subject::Stranger(id) => (None, Some(id)),
    };
    sqlx::query_as(
        "SELECT a.id AS log_id, coalesce(nullif(btrim(l.first_name || ' ' || l.last_name), ''), l.phone, c.contact) AS name,
                l.meta_campaign_name AS campaign, btrim(u.first_name || ' ' || u.last_name) AS seller
         FROM assignment_log a
         JOIN users u ON u.tenant_id = a.tenant_id AND u.id = a.to_seller_id
         LEFT JOIN leads l ON l.tenant_id = a.tenant_id AND l.id = a.lead_id
         LEFT JOIN conversations c ON c.tenant_id = a.tenant_id AND c.id = a.conversation_id
         WHERE a.tenant_id = $1 AND a.to_seller_id = $2
           AND (a.lead_id = $3 OR ($3::uuid IS NULL AND a.conversation_id = $4))
         ORDER BY a.created_at DESC, a.id DESC LIMIT 1",
    )
    .bind(tenant_id)
    .bind(owner)
    .bind(lead)
    .bind(stranger)
    .fetch_one(transaction.db())
    .await
}

/// The active CEOs of the tenant.
pub(super) async fn ceos(transaction: &mut Transaction) -> Result<Vec<Uuid>, sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    sqlx::query_scalar(
        "SELECT id FROM users WHERE tenant_id = $1 AND role = 'ceo' AND status = 'active' ORDER BY id",
    )
    .bind(tenant_id)
    .fetch_all(transaction.db())
    .await
}
