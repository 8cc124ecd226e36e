//! Who did what, beside the change itself: append-only. Never holds what was said or a person's data, only ids.

use serde_json::Value;

use crate::tenant::Transaction;

/// What happened to what.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    /// A word for it, as `lead.merged`.
    pub(crate) action: &'static str,
    /// Kind and id of what it happened to.
    pub(crate) entity: Option<(&'static str, String)>,
    /// Figures and ids.
    pub(crate) details: &'a Value,
}

/// Writes it down.
///
/// # Errors
/// When the database did not take it.
pub(crate) async fn record(transaction: &mut Transaction, entry: Entry<'_>) -> Result<(), sqlx::Error> {
    let Entry { action, entity, details } = entry;
    let (tenant_id, actor) = (transaction.tenant_id(), transaction.actor());
    let (kind, id) = entity.unzip();
    sqlx::query(
        "INSERT INTO audit_log (tenant_id, actor_id, action, entity_type, entity_id, details)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(tenant_id)
    .bind(actor)
    .bind(action)
    .bind(kind)
    .bind(id)
    .bind(details)
    .execute(transaction.db())
    .await?;
    Ok(())
}
