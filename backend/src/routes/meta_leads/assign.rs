//! `POST /crm/meta/leads/assign`: many leads to one vendedor, each with its own result: one that cannot be given keeps
//! nobody else's from being given. The leads are named, or are all that a filter of the list lets through. A vendedor takes
//! for themselves what nobody owns.

use axum::Json;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::assignment::{self, Change, Subject};
use crate::conversations::Scope;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Body;
use crate::routes::leads::filter::Parameters;
use crate::routes::leads::queries::Within;
use crate::routes::leads::{BulkAssign, which};
use crate::tenant::{Tenant, Transaction};

/// Which leads, to whom: exactly one of `lead_ids` and `filter`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AssignLeads {
    /// 1 to 1,000 leads.
    lead_ids: Option<Vec<Uuid>>,
    /// The parameters of the list, without `limit` and `cursor`; it may let through 1,000 leads.
    #[schema(value_type = Option<Object>)]
    filter: Option<Parameters>,
    /// The vendedor; for a vendedor themselves it may be left out.
    seller_id: Option<Uuid>,
    /// `true`: takes it from whoever owns it; for a CEO only.
    #[serde(default)]
    reassign: bool,
}

/// What became of each.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AssignResults {
    /// One per lead: in the order they were asked for, or in the order of the list.
    results: Vec<AssignResult>,
    /// How many have their new owner now.
    assigned: usize,
}

/// What became of one lead.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AssignResult {
    lead_id: Uuid,
    /// Whether it has its new owner now.
    assigned: bool,
    /// Why not, as the code of an error.
    error: Option<&'static str>,
    /// What a program needs to go on, as the winner of a conflict.
    #[schema(value_type = Option<Object>)]
    details: Option<Value>,
}

/// Gives leads to a vendedor.
#[utoipa::path(post, path = "/crm/meta/leads/assign", tag = "meta-leads", request_body = AssignLeads, responses(
    (status = OK, description = "A result per lead", body = AssignResults),
    (status = BAD_REQUEST, body = ErrorBody),
    (status = FORBIDDEN, description = "A vendedor assigns to themselves only, and takes from nobody", body = ErrorBody),
))]
pub(crate) async fn assign(
    mut tenant: Tenant,
    Body(request): Body<AssignLeads>,
) -> Result<Json<AssignResults>, ApiError> {
    let caller = tenant.caller();
    let AssignLeads { lead_ids, filter, seller_id, reassign } = request;
    let change = BulkAssign { seller_id, reassign }.change(tenant.transaction(), &caller).await?;
    // Everybody who works with leads sees all of them: they are taken from one queue.
    let within = Within { meta: true, scope: Scope::Tenant };
    let leads = which(tenant.transaction(), within, lead_ids, filter).await?;
    let mut done = Vec::with_capacity(leads.len());
    for lead in leads {
        done.push(one(tenant.transaction(), lead, &change).await?);
    }
    let assigned = done.iter().filter(|result| result.assigned).count();
    Ok(Json(AssignResults { results: done, assigned }))
}

/// One lead; a refusal is its result, a broken database is everybody's.
async fn one(
    transaction: &mut Transaction,
    lead_id: Uuid,
    change: &Change,
) -> Result<AssignResult, ApiError> {
    let tenant_id = transaction.tenant_id();
    let is_meta: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM leads WHERE tenant_id = $1 AND id = $2 AND lead_source = 'META_ADS')",
    )
    .bind(tenant_id)
    .bind(lead_id)
    .fetch_one(transaction.db())
    .await?;
    if !is_meta {
        return Ok(AssignResult { lead_id, assigned: false, error: Some("not_found"), details: None });
    }
    match assignment::change_one(transaction, Subject::Lead(lead_id), change).await {
        Ok(_) => Ok(AssignResult { lead_id, assigned: true, error: None, details: None }),
        Err(error) if error.status.is_client_error() => Ok(AssignResult {
            lead_id,
            assigned: false,
            error: Some(error.code),
            details: error.details.map(|details| *details),
        }),
        Err(error) => Err(error),
    }
}
