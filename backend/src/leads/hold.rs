//! Many leads held at once, in the order of their ids: of two who want the same, one waits before it has any.

use uuid::Uuid;

use crate::tenant::Transaction;

/// Holds those of `ids` that there are until the transaction ends, and gives them by id.
///
/// # Errors
/// When the database did not answer.
pub(crate) async fn hold(transaction: &mut Transaction, ids: &[Uuid]) -> Result<Vec<Uuid>, sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    sqlx::query_scalar(
        "SELECT id FROM leads WHERE tenant_id = $1 AND id = ANY($2) ORDER BY id FOR NO KEY UPDATE",
    )
    .bind(tenant_id)
    .bind(ids)
    .fetch_all(transaction.db())
    .await
}
