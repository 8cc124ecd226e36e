//! `POST /crm/meta/leads/assign`: many leads to one vendedor, each with its own result: one that cannot be given keeps
//! nobody else's from being given. A vendedor takes for themselves what nobody owns.

use axum::Json;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::assignment::{self, Change, Reason, Subject};
use crate::error::{ApiError, ErrorBody};
use crate::extract::Body;
use crate::tenant::{Tenant, Transaction};

/// Most leads of one request.
const MOST: usize = 200;

/// Which leads, to whom.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AssignLeads {
    /// 1 to 200 leads.
    lead_ids: Vec<Uuid>,
    /// The vendedor; for a vendedor themselves it may be left out.
    seller_id: Option<Uuid>,
    /// `true`: takes it from whoever owns it; for a CEO only.
    #[serde(default)]
    reassign: bool,
}

/// What became of each.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AssignResults {
    /// One per lead, in the order they were asked for.
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
    let mut leads = request.lead_ids;
    if leads.is_empty() || leads.len() > MOST {
        return Err(ApiError::field("lead_ids", format!("must be 1 to {MOST} ids")));
    }
    let (seller, reason) = if caller.role.is_seller() {
        if request.reassign || request.seller_id.is_some_and(|seller| seller != caller.user_id) {
            return Err(ApiError::forbidden());
        }
        (caller.user_id, Reason::Claimed)
    } else {
        let seller = request.seller_id.ok_or_else(|| ApiError::field("seller_id", "is missing"))?;
        (seller, if request.reassign { Reason::Reassigned } else { Reason::Manual })
    };
    assignment::refuse_unless_seller(tenant.transaction(), seller).await?;
    let asked = leads.clone();
    // Two requests over the same leads take them in the same order.
    leads.sort_unstable();
    leads.dedup();
    crate::leads::hold(tenant.transaction(), &leads).await?;
    let mut done = Vec::with_capacity(leads.len());
    for lead in leads {
        done.push(one(tenant.transaction(), lead, &Change::to(seller, reason)).await?);
    }
    let position = |result: &AssignResult| asked.iter().position(|lead| *lead == result.lead_id);
    done.sort_by_key(position);
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
