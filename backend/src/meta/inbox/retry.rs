//! Another try for a lead that was put aside or waits, because somebody asks for it.

use super::wake;
use crate::tenant::Transaction;

/// What came of asking for another try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retried {
    /// It is due now.
    Due,
    /// It is stored already.
    Stored,
    /// There is none.
    Missing,
}

/// Makes a lead that failed or waits due now, with all its attempts before it.
///
/// # Errors
/// When the database did not take it.
pub(crate) async fn retry(transaction: &mut Transaction, id: i64) -> Result<Retried, sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    let state: Option<String> = sqlx::query_scalar(
        "WITH held AS (SELECT id, state FROM meta_lead_inbox WHERE tenant_id = $1 AND id = $2 FOR UPDATE),
         due AS (
           UPDATE meta_lead_inbox i
           SET state = CASE WHEN i.state <> 'failed' THEN i.state WHEN i.lead_id IS NOT NULL THEN 'mapped'
                            WHEN i.answer IS NOT NULL THEN 'fetched' ELSE 'received' END,
               reason = NULL, attempts = 0, not_before = now(), updated_at = now()
           FROM held WHERE i.tenant_id = $1 AND i.id = held.id AND held.state <> 'assigned')
         SELECT state FROM held",
    )
    .bind(tenant_id)
    .bind(id)
    .fetch_optional(transaction.db())
    .await?;
    match state.as_deref() {
        None => Ok(Retried::Missing),
        Some("assigned") => Ok(Retried::Stored),
        Some(_) => {
            wake(transaction.db()).await?;
            Ok(Retried::Due)
        }
    }
}
