//! What people should know: rows that the bell shows, with their event, written in the transaction that causes them.
//! One file per type decides when and for whom; this and `raise` are the one way a decision becomes a row. While
//! migration 016 is reverted there is no bell, and nothing else in the CRM notices.

mod assignment;
mod count;
mod followup;
mod hot_lead;
mod kind;
mod meta_silent;
mod metric_alert;
mod performance_alert;
mod quiet;
mod quiet_summary;
mod raise;
pub(crate) mod settings;
pub(crate) mod text;
mod thresholds;
mod told;
mod unanswered;

use serde_json::json;
use uuid::Uuid;

use crate::outbox::{self, Audience, Event};
use crate::tenant::{Profile, Transaction};

pub(crate) use assignment::assigned;
pub(crate) use count::Count;
pub(crate) use kind::{Kind, Priority};
pub(crate) use metric_alert::report;
pub(crate) use raise::{Notice, raise};
pub(crate) use thresholds::{mistake as threshold_mistake, usual as usual_thresholds};

/// Whether there is a bell: asked once per transaction, since 016 can be reverted while servers run.
///
/// # Errors
/// When the database did not say.
pub(crate) async fn exist(transaction: &mut Transaction) -> Result<bool, sqlx::Error> {
    if let Some(known) = *transaction.bell() {
        return Ok(known);
    }
    let found = sqlx::query_scalar("SELECT to_regclass('public.notifications') IS NOT NULL")
        .fetch_one(transaction.db())
        .await?;
    *transaction.bell() = Some(found);
    Ok(found)
}

/// Looks for everything that time alone makes worth telling, in one tenant; gives how many notifications are new.
///
/// # Errors
/// When the database did not take it.
pub(crate) async fn check(transaction: &mut Transaction) -> Result<usize, sqlx::Error> {
    if !exist(transaction).await? {
        return Ok(0);
    }
    let profile = Profile::read(transaction).await?;
    let told = unanswered::check(transaction, &profile).await?
        + hot_lead::check(transaction, &profile).await?
        + followup::check(transaction, &profile).await?
        + performance_alert::check(transaction, &profile).await?
        + meta_silent::check(transaction, &profile).await?;
    // Last, so that it tells of all that came before.
    Ok(told + quiet_summary::check(transaction, &profile).await?)
}

/// Nobody waits in this conversation any more: what said so is read, for everybody.
///
/// # Errors
/// When the database did not take it.
pub(crate) async fn answered(transaction: &mut Transaction, conversation: Uuid) -> Result<(), sqlx::Error> {
    clear(transaction, "conversation", conversation, None).await
}

/// Somebody else owns it: the old owner need not answer.
///
/// # Errors
/// When the database did not take it.
pub(crate) async fn reassigned(
    transaction: &mut Transaction,
    subject: crate::assignment::Subject,
    old: Option<Uuid>,
) -> Result<(), sqlx::Error> {
    let Some(old) = old else { return Ok(()) };
    let tenant_id = transaction.tenant_id();
    let threads: Vec<Uuid> =
        match subject {
            crate::assignment::Subject::Stranger(id) => vec![id],
            crate::assignment::Subject::Lead(lead) => sqlx::query_scalar(
                "SELECT id FROM conversations WHERE tenant_id = $1 AND lead_id = $2 AND closed_at IS NULL",
            )
            .bind(tenant_id)
            .bind(lead)
            .fetch_all(transaction.db())
            .await?,
        };
    for thread in threads {
        clear(transaction, "conversation", thread, Some(old)).await?;
    }
    Ok(())
}

/// Marks `unanswered` ones about an entity read, of everybody or of one person, and tells them.
async fn clear(
    transaction: &mut Transaction,
    entity: &str,
    id: Uuid,
    only: Option<Uuid>,
) -> Result<(), sqlx::Error> {
    if !exist(transaction).await? {
        return Ok(());
    }
    let tenant_id = transaction.tenant_id();
    let cleared: Vec<(Uuid, i64)> = sqlx::query_as(
        "UPDATE notifications SET read_at = now(), updated_at = now()
         WHERE tenant_id = $1 AND entity_type = $2 AND entity_id = $3 AND type = 'unanswered' AND read_at IS NULL
           AND ($4::uuid IS NULL OR recipient_id = $4)
         RETURNING recipient_id, id",
    )
    .bind(tenant_id)
    .bind(entity)
    .bind(id.to_string())
    .bind(only)
    .fetch_all(transaction.db())
    .await?;
    for (recipient, id) in cleared {
        let payload = json!({ "ids": [id] });
        outbox::publish(transaction, Event::NotificationMarkedRead, Audience::Person(recipient), &payload)
            .await?;
    }
    Ok(())
}
