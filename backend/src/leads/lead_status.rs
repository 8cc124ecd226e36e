//! The status of a lead moves along the ways of `lead_status_transitions`; each move is a row of its history.

use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

use crate::assignment::queue;
use crate::error::ApiError;
use crate::outbox::{self, Audience, Event};
use crate::tenant::Transaction;

/// A move that was made.
#[derive(Debug, Clone)]
pub(crate) struct Moved {
    pub(crate) from: String,
    pub(crate) at: DateTime<Utc>,
}

/// Moves a lead that the caller holds or may hold; one that is there already stays. Whoever had it can take something
/// else when it ends there.
///
/// # Errors
/// 404 for no such lead, 403 `forbidden` when `owner` does not own it, 409 `invalid_transition` with the ways there
/// are, 400 naming `reason` when the way needs one.
pub(crate) async fn move_to(
    transaction: &mut Transaction,
    owner: Option<Uuid>,
    id: Uuid,
    to: &str,
    reason: Option<&str>,
) -> Result<Option<Moved>, ApiError> {
    let Some(way) = Way::find(transaction, owner, id, to, reason).await? else { return Ok(None) };
    // Before a lead is written, see `assignment::queue`.
    let frees = way.assigned.is_some() && is_end(transaction, to).await? && queue::enter(transaction).await?;
    let moved = way.go(transaction, id, to, reason).await?;
    if frees {
        queue::refill(transaction).await?;
    }
    Ok(Some(moved))
}

/// The same as one of many, which keep nobody out of the queue meanwhile: the sweep fills what they free.
///
/// # Errors
/// As [`move_to`].
pub(crate) async fn move_one(
    transaction: &mut Transaction,
    owner: Option<Uuid>,
    id: Uuid,
    to: &str,
    reason: Option<&str>,
) -> Result<Option<Moved>, ApiError> {
    match Way::find(transaction, owner, id, to, reason).await? {
        Some(way) => way.go(transaction, id, to, reason).await.map(Some).map_err(ApiError::from),
        None => Ok(None),
    }
}

/// A way that a lead may go; the lead is held.
struct Way {
    from: String,
    assigned: Option<Uuid>,
}

impl Way {
    /// The way to a status; none for a lead that is there.
    async fn find(
        transaction: &mut Transaction,
        owner: Option<Uuid>,
        id: Uuid,
        to: &str,
        reason: Option<&str>,
    ) -> Result<Option<Self>, ApiError> {
        let tenant_id = transaction.tenant_id();
        let held: Option<(String, Option<Uuid>)> = sqlx::query_as(
            "SELECT status, assigned_seller_id FROM leads
             WHERE tenant_id = $1 AND id = $2 AND merged_into IS NULL FOR NO KEY UPDATE",
        )
        .bind(tenant_id)
        .bind(id)
        .fetch_optional(transaction.db())
        .await?;
        let (from, assigned) = held.ok_or_else(ApiError::not_found)?;
        if owner.is_some() && assigned != owner {
            return Err(ApiError::forbidden());
        }
        if from == to {
            return Ok(None);
        }
        refuse_detour(transaction, &from, to, reason).await?;
        Ok(Some(Self { from, assigned }))
    }

    async fn go(
        self,
        transaction: &mut Transaction,
        id: Uuid,
        to: &str,
        reason: Option<&str>,
    ) -> Result<Moved, sqlx::Error> {
        let Self { from, assigned } = self;
        let (tenant_id, actor) = (transaction.tenant_id(), transaction.actor());
        let at: DateTime<Utc> = sqlx::query_scalar(
            "WITH moved AS (
               UPDATE leads SET status = $3, status_changed_at = now(), updated_at = now() WHERE tenant_id = $1 AND id = $2)
             INSERT INTO lead_status_history (tenant_id, lead_id, from_status, to_status, changed_by, reason)
             VALUES ($1, $2, $4, $3, $5, $6) RETURNING changed_at",
        )
        .bind(tenant_id)
        .bind(id)
        .bind(to)
        .bind(&from)
        .bind(actor)
        .bind(reason)
        .fetch_one(transaction.db())
        .await?;
        transaction.touched().lead(id);
        let payload = json!({ "lead_id": id, "from_status": from, "to_status": to });
        outbox::publish(transaction, Event::MetricsUpdated, Audience::Owner(assigned), &payload).await?;
        Ok(Moved { from, at })
    }
}

/// Whether leads in a status need no more work.
async fn is_end(transaction: &mut Transaction, status: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT NOT is_open FROM lead_statuses WHERE code = $1")
        .bind(status)
        .fetch_one(transaction.db())
        .await
}

/// A way that there is not, or that needs a reason.
async fn refuse_detour(
    transaction: &mut Transaction,
    from: &str,
    to: &str,
    reason: Option<&str>,
) -> Result<(), ApiError> {
    let ways: Vec<(String, bool)> = sqlx::query_as(
        "SELECT t.to_status, t.needs_reason FROM lead_status_transitions t JOIN lead_statuses s ON s.code = t.to_status
         WHERE t.from_status = $1 ORDER BY s.position",
    )
    .bind(from)
    .fetch_all(transaction.db())
    .await?;
    match ways.iter().find(|(way, _)| way == to) {
        None => {
            let allowed: Vec<&str> = ways.iter().map(|(way, _)| way.as_str()).collect();
            let message = format!("a lead does not go from `{from}` to `{to}`");
            Err(ApiError::conflict(
                "invalid_transition",
                message,
                json!({ "from": from, "allowed": allowed }),
            ))
        }
        Some((_, true)) if reason.is_none_or(|reason| reason.trim().is_empty()) => {
            Err(ApiError::field("reason", format!("is missing: going from `{from}` to `{to}` needs one")))
        }
        Some(_) => Ok(()),
    }
}
