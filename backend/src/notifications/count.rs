//! How many notifications somebody has, by priority.

use serde::Serialize;
use sqlx::FromRow;
use sqlx::postgres::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::database::Metered;

/// Own notifications that have not expired. The four priorities count unread ones and add up to `unread`.
#[derive(Debug, Serialize, FromRow, ToSchema)]
pub(crate) struct Count {
    /// Read and unread.
    total: i64,
    /// Unread.
    unread: i64,
    /// Unread of priority critical.
    critical: i64,
    /// Unread of priority high.
    high: i64,
    /// Unread of priority medium.
    medium: i64,
    /// Unread of priority low.
    low: i64,
}

impl Count {
    /// One look at the index that holds all it needs (`notifications_tenant_recipient_idx`).
    ///
    /// # Errors
    /// When the database did not say; also while migration 016 is reverted.
    pub(crate) async fn of(
        db: Metered<&mut PgConnection>,
        tenant_id: i32,
        person: Uuid,
    ) -> Result<Self, sqlx::Error> {
        sqlx::query_as(
            "SELECT count(*) AS total, \
                    count(*) FILTER (WHERE read_at IS NULL) AS unread, \
                    count(*) FILTER (WHERE read_at IS NULL AND priority = 'critical') AS critical, \
                    count(*) FILTER (WHERE read_at IS NULL AND priority = 'high') AS high, \
                    count(*) FILTER (WHERE read_at IS NULL AND priority = 'medium') AS medium, \
                    count(*) FILTER (WHERE read_at IS NULL AND priority = 'low') AS low \
             FROM notifications \
             WHERE tenant_id = $1 AND recipient_id = $2 AND (expires_at IS NULL OR expires_at > now())",
        )
        .bind(tenant_id)
        .bind(person)
        .fetch_one(db)
        .await
    }
}
