//! Two leads that are one person become one: what happened with the one that goes is what happened with the one that
//! stays. Its conversations, forms and histories move; what is not known of the survivor is filled in; the row that
//! goes stays behind and says into which it went.
//!
//! Invariant: a chain is one step long, so whatever was merged into the one that goes moves along.

mod threads;

use serde_json::json;
use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;

use super::hold;
use crate::assignment::{self, Change, Reason, Subject};
use crate::audit;
use crate::conversations::Scope;
use crate::error::ApiError;
use crate::notifications;
use crate::outbox::{self, Audience, Event};
use crate::tenant::Transaction;

/// Tables whose rows belong to a lead and follow it.
const FOLLOWERS: [&str; 5] =
    ["lead_submissions", "lead_status_history", "owner_history", "assignment_log", "meta_lead_inbox"];

/// A lead that takes part, held.
#[derive(Debug, Clone, FromRow)]
struct Part {
    id: Uuid,
    assigned_seller_id: Option<Uuid>,
    is_test: bool,
    merged_into: Option<Uuid>,
}

/// Merges `from` into `into`; once it is so, again changes nothing.
///
/// # Errors
/// 404 out of scope, 403 when a vendedor does not own both, 409 `already_merged`, `merged_away` or `test_and_real`.
pub(crate) async fn merge(
    transaction: &mut Transaction,
    scope: Scope,
    from: Uuid,
    into: Uuid,
) -> Result<(), ApiError> {
    let Some((gone, kept)) = both(transaction, scope, from, into).await? else { return Ok(()) };
    if scope
        .seller()
        .is_some_and(|own| [&gone, &kept].iter().any(|part| part.assigned_seller_id != Some(own)))
    {
        return Err(ApiError::forbidden());
    }
    if gone.assigned_seller_id != kept.assigned_seller_id {
        notifications::reassigned(transaction, Subject::Lead(from), gone.assigned_seller_id).await?;
    }
    let conversations = threads::join(transaction, from, into).await?;
    let rows = follow(transaction, from, into).await?;
    join(transaction, from, into).await?;
    if let (None, Some(owner)) = (kept.assigned_seller_id, gone.assigned_seller_id) {
        // Somebody knows this person.
        assignment::change_one(transaction, Subject::Lead(into), &Change::to(owner, Reason::Manual)).await?;
    }
    touch(transaction, from, into).await?;
    let details = json!({ "into": into, "conversations": conversations, "rows": rows });
    let entry =
        audit::Entry { action: "lead.merged", entity: Some(("lead", from.to_string())), details: &details };
    audit::record(transaction, entry).await?;
    let owner = kept.assigned_seller_id.or(gone.assigned_seller_id);
    let payload = json!({ "lead_id": into, "merged_lead_id": from });
    outbox::publish(transaction, Event::MetricsUpdated, Audience::Owner(owner), &payload).await?;
    Ok(())
}

/// Figures of both, and of every conversation that there is now, are other than they were.
async fn touch(transaction: &mut Transaction, from: Uuid, into: Uuid) -> Result<(), sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    let threads: Vec<Uuid> =
        sqlx::query_scalar("SELECT id FROM conversations WHERE tenant_id = $1 AND lead_id = $2")
            .bind(tenant_id)
            .bind(into)
            .fetch_all(transaction.db())
            .await?;
    let touched = transaction.touched();
    [from, into].into_iter().for_each(|lead| touched.lead(lead));
    threads.into_iter().for_each(|thread| touched.conversation(thread));
    Ok(())
}

/// The two, held in the order of their ids; none when it is so already. The second is not waited for when the first tells
/// that there is nothing to do: a message for a lead that was just merged may hold that one, and want the first.
async fn both(
    transaction: &mut Transaction,
    scope: Scope,
    from: Uuid,
    into: Uuid,
) -> Result<Option<(Part, Part)>, ApiError> {
    hold(transaction, &[from.min(into)]).await?;
    if is_done(&part(transaction, scope, from).await?, &part(transaction, scope, into).await?)? {
        return Ok(None);
    }
    hold(transaction, &[from.max(into)]).await?;
    let (gone, kept) = (part(transaction, scope, from).await?, part(transaction, scope, into).await?);
    Ok((!is_done(&gone, &kept)?).then_some((gone, kept)))
}

/// Whether it is so already, or why it can never be.
fn is_done(gone: &Part, kept: &Part) -> Result<bool, ApiError> {
    match (gone.merged_into, kept.merged_into) {
        // The second of these: the survivor has been merged on since.
        (Some(into), other) if into == kept.id || Some(into) == other => Ok(true),
        (Some(into), _) => {
            let message = "it was merged into another lead";
            Err(ApiError::conflict("already_merged", message, json!({ "merged_into": into })))
        }
        (None, Some(into)) => {
            let message = "the lead to merge into was merged away itself";
            Err(ApiError::conflict("merged_away", message, json!({ "merged_into": into })))
        }
        (None, None) if gone.is_test != kept.is_test => {
            Err(ApiError::conflict("test_and_real", "one of the two is a test", json!({})))
        }
        (None, None) => Ok(false),
    }
}

async fn part(transaction: &mut Transaction, scope: Scope, id: Uuid) -> Result<Part, ApiError> {
    let tenant_id = transaction.tenant_id();
    let found = sqlx::query_as(
        "SELECT id, assigned_seller_id, is_test, merged_into FROM leads
         WHERE tenant_id = $1 AND id = $2
           AND ($3::uuid IS NULL OR assigned_seller_id = $3 OR assigned_seller_id IS NULL)",
    )
    .bind(tenant_id)
    .bind(id)
    .bind(scope.seller())
    .fetch_optional(transaction.db())
    .await?;
    found.ok_or_else(ApiError::not_found)
}

/// Moves the rows that belong to the lead; gives how many.
async fn follow(transaction: &mut Transaction, from: Uuid, into: Uuid) -> Result<u64, sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    let mut moved = 0;
    for table in FOLLOWERS {
        let sql = format!("UPDATE {table} SET lead_id = $3 WHERE tenant_id = $1 AND lead_id = $2");
        let rows = sqlx::query(AssertSqlSafe(sql)).bind(tenant_id).bind(from).bind(into);
        moved += rows.execute(transaction.db()).await?.rows_affected();
    }
    Ok(moved)
}

/// The two rows themselves. The one that goes leaves the unique index of phone numbers before its number is taken over.
async fn join(transaction: &mut Transaction, from: Uuid, into: Uuid) -> Result<(), sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    for sql in [GO, STAY] {
        sqlx::query(sql).bind(tenant_id).bind(from).bind(into).execute(transaction.db()).await?;
    }
    Ok(())
}

/// `$1` tenant, `$2` who goes, `$3` who stays.
const GO: &str = "
    UPDATE leads SET merged_into = $3, updated_at = now() WHERE tenant_id = $1 AND (id = $2 OR merged_into = $2)";

/// The same.
const STAY: &str = "
    UPDATE leads s SET updated_at = now(),
           phone = coalesce(s.phone, m.phone), email = coalesce(s.email, m.email),
           first_name = CASE WHEN s.name_key = '' THEN m.first_name ELSE s.first_name END,
           last_name = CASE WHEN s.name_key = '' THEN m.last_name ELSE s.last_name END,
           amount = coalesce(s.amount, m.amount),
           currency = CASE WHEN s.amount IS NULL AND m.amount IS NOT NULL THEN m.currency ELSE s.currency END,
           tags = (SELECT coalesce(array_agg(DISTINCT tag ORDER BY tag), '{}') FROM unnest(s.tags || m.tags) tag),
           first_response_at = least(s.first_response_at, m.first_response_at)
    FROM leads m WHERE s.tenant_id = $1 AND s.id = $3 AND m.tenant_id = $1 AND m.id = $2";

#[cfg(test)]
mod tests {
    use super::*;

    fn part(id: u128, merged_into: Option<u128>, is_test: bool) -> Part {
        let merged_into = merged_into.map(Uuid::from_u128);
        Part { id: Uuid::from_u128(id), assigned_seller_id: None, is_test, merged_into }
    }

    #[test]
    fn a_merge_is_done_possible_or_never() {
        let said = |gone: &Part, kept: &Part| is_done(gone, kept).map_err(|error| error.code);
        assert_eq!(said(&part(1, None, false), &part(2, None, false)), Ok(false));
        assert_eq!(said(&part(1, None, true), &part(2, None, true)), Ok(false));
        assert_eq!(said(&part(1, Some(2), false), &part(2, None, false)), Ok(true));
        assert_eq!(said(&part(1, Some(3), false), &part(2, Some(3), false)), Ok(true));
        assert_eq!(said(&part(1, Some(3), false), &part(2, None, false)), Err("already_merged"));
        assert_eq!(said(&part(1, None, false), &part(2, Some(3), false)), Err("merged_away"));
        assert_eq!(said(&part(1, None, true), &part(2, None, false)), Err("test_and_real"));
    }
}
