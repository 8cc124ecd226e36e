//! Whose conversations a person sees: a CEO and a secretary all of the tenant, a vendedor the own ones and the queue.
//! What is out of scope is not there: it looks like missing.

use chrono::{DateTime, Utc};
use sqlx::FromRow;
use uuid::Uuid;

use crate::auth::Caller;
use crate::error::ApiError;
use crate::tenant::Transaction;

/// What a person may see of leads and conversations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Everything of the tenant.
    Tenant,
    /// What this vendedor owns, and what nobody owns.
    Own(Uuid),
}

impl Scope {
    /// The scope of a caller.
    pub(crate) fn of(caller: &Caller) -> Self {
        if caller.role.is_seller() { Self::Own(caller.user_id) } else { Self::Tenant }
    }

    /// The vendedor it is narrowed to.
    pub(crate) fn seller(self) -> Option<Uuid> {
        match self {
            Self::Tenant => None,
            Self::Own(seller) => Some(seller),
        }
    }
}

/// A conversation whose row is held until the transaction ends.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct Locked {
    pub(crate) id: Uuid,
    pub(crate) lead_id: Option<Uuid>,
    pub(crate) assigned_seller_id: Option<Uuid>,
    pub(crate) closed_at: Option<DateTime<Utc>>,
}

impl Locked {
    /// Takes hold of a conversation in scope, and of its lead before it: everybody takes them in this order, so that
    /// nobody waits for somebody who waits.
    ///
    /// # Errors
    /// 404 when there is none in scope.
    pub(crate) async fn take(
        transaction: &mut Transaction,
        scope: Scope,
        id: Uuid,
    ) -> Result<Self, ApiError> {
        let tenant_id = transaction.tenant_id();
        sqlx::query(
            "SELECT FROM leads WHERE tenant_id = $1
               AND id = (SELECT lead_id FROM conversations WHERE tenant_id = $1 AND id = $2) FOR NO KEY UPDATE",
        )
        .bind(tenant_id)
        .bind(id)
        .execute(transaction.db())
        .await?;
        let found = sqlx::query_as(
            "SELECT id, lead_id, assigned_seller_id, closed_at FROM conversations
             WHERE tenant_id = $1 AND id = $2
               AND ($3::uuid IS NULL OR assigned_seller_id = $3 OR assigned_seller_id IS NULL)
             FOR UPDATE",
        )
        .bind(tenant_id)
        .bind(id)
        .bind(scope.seller())
        .fetch_optional(transaction.db())
        .await?;
        found.ok_or_else(ApiError::not_found)
    }
}
