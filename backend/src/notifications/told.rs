//! What was told before, read once where many facts are looked at: a fact that is told needs no second look.

use std::collections::HashSet;

use uuid::Uuid;

use super::Kind;
use super::raise::{Notice, raise};
use crate::tenant::Transaction;

/// Readers and keys of one type.
#[derive(Debug)]
pub(super) struct Told(HashSet<(Uuid, String)>);

impl Told {
    /// Everything of `kind` that is kept.
    ///
    /// # Errors
    /// When the database did not say.
    pub(super) async fn of(transaction: &mut Transaction, kind: Kind) -> Result<Self, sqlx::Error> {
        let tenant_id = transaction.tenant_id();
        let told: Vec<(Uuid, String)> = sqlx::query_as(
            "SELECT recipient_id, dedupe_key FROM notifications WHERE tenant_id = $1 AND type = $2",
        )
        .bind(tenant_id)
        .bind(kind.name())
        .fetch_all(transaction.db())
        .await?;
        Ok(Self(told.into_iter().collect()))
    }

    /// Tells what was not told; gives how many notifications are new.
    ///
    /// # Errors
    /// When the database did not take it.
    pub(super) async fn tell(
        &self,
        transaction: &mut Transaction,
        notices: Vec<Notice>,
    ) -> Result<usize, sqlx::Error> {
        let mut new = 0;
        for notice in notices {
            let fact = (notice.recipient, notice.key.clone());
            if !self.0.contains(&fact) {
                new += usize::from(raise(transaction, &notice).await?);
            }
        }
        Ok(new)
    }
}
