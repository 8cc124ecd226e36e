//! A lead typed in by a person. One phone number is one lead: a number that is there already stands against it, also when
//! the lead that had it was merged into another.

use chrono::Utc;
use serde_json::json;
use uuid::Uuid;

use crate::assignment::{self, Change, Reason, Subject, queue};
use crate::conversations::Scope;
use crate::error::ApiError;
use crate::phone::Phone;
use crate::tenant::{Profile, Transaction};

/// What is known of a person.
#[derive(Debug)]
pub(crate) struct NewLead {
    pub(crate) phone: Option<Phone>,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) email: Option<String>,
    pub(crate) lead_source: String,
    pub(crate) tags: Vec<String>,
    /// Who gets it.
    pub(crate) owner: Option<(Uuid, Reason)>,
}

/// Makes it, in status `new`, with the clock of the first answer started; one without an owner is offered to the team.
///
/// # Errors
/// 409 `phone_taken` with the lead that has the number, when the caller may see it.
pub(crate) async fn create(
    transaction: &mut Transaction,
    scope: Scope,
    lead: &NewLead,
) -> Result<Uuid, ApiError> {
    let (tenant_id, actor) = (transaction.tenant_id(), transaction.actor());
    // Before a lead is written, see `queue`.
    let offered = lead.owner.is_none() && queue::enter(transaction).await?;
    let due = Profile::read(transaction).await?.response_target().due(Utc::now(), &lead.lead_source);
    let made: Option<Uuid> = sqlx::query_scalar(
        "WITH lead AS (
           INSERT INTO leads (tenant_id, phone, first_name, last_name, email, source, lead_source, tags,
                              response_warn_at, response_due_at)
           SELECT $1, $2, $3, $4, $5, 'manual', $6, $7, $8, $9
           WHERE NOT EXISTS (SELECT FROM leads WHERE tenant_id = $1 AND phone = $2 AND merged_into IS NOT NULL)
           ON CONFLICT (tenant_id, phone) WHERE merged_into IS NULL DO NOTHING RETURNING tenant_id, id),
         born AS (
           INSERT INTO lead_status_history (tenant_id, lead_id, to_status, changed_by)
           SELECT tenant_id, id, 'new', $10 FROM lead)
         SELECT id FROM lead",
    )
    .bind(tenant_id)
    .bind(lead.phone.as_ref().map(Phone::as_str))
    .bind(&lead.first_name)
    .bind(&lead.last_name)
    .bind(&lead.email)
    .bind(&lead.lead_source)
    .bind(&lead.tags)
    .bind(due.warn_at)
    .bind(due.due_at)
    .bind(actor)
    .fetch_optional(transaction.db())
    .await?;
    let Some(id) = made else { return Err(taken(transaction, scope, lead).await?) };
    transaction.touched().lead(id);
    if let Some((owner, reason)) = lead.owner {
        assignment::change(transaction, Subject::Lead(id), &Change::to(owner, reason)).await?;
    }
    if offered {
        queue::offer(transaction, Subject::Lead(id)).await?;
    }
    Ok(id)
}

/// The conflict; names the other lead only to who may see it.
pub(super) async fn taken(
    transaction: &mut Transaction,
    scope: Scope,
    lead: &NewLead,
) -> Result<ApiError, sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    let other: Option<Uuid> = sqlx::query_scalar(
        "SELECT id FROM leads
         WHERE tenant_id = $1 AND ($3::uuid IS NULL OR assigned_seller_id = $3 OR assigned_seller_id IS NULL)
           AND id = coalesce(
             (SELECT id FROM leads WHERE tenant_id = $1 AND phone = $2 AND merged_into IS NULL),
             (SELECT merged_into FROM leads WHERE tenant_id = $1 AND phone = $2 AND merged_into IS NOT NULL
              ORDER BY id DESC LIMIT 1))",
    )
    .bind(tenant_id)
    .bind(lead.phone.as_ref().map(Phone::as_str))
    .bind(scope.seller())
    .fetch_optional(transaction.db())
    .await?;
    Ok(ApiError::conflict("phone_taken", "another lead has this phone number", json!({ "lead_id": other })))
}
