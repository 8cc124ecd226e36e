//! `GET /crm/leads`: leads in the caller's scope, a page at a time.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

use super::filter::Parameters;
use super::queries::{self, LeadRow, Total, Within};
use crate::conversations::Scope;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Query;
use crate::tenant::Tenant;

/// A page of leads.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Leads {
    /// The rows.
    leads: Vec<LeadRow>,
    /// Rows of all pages under this filter: exact to 10,000, then `"10000+"`.
    total: Total,
    /// Give it as `cursor` for the page after this; null on the last.
    next_cursor: Option<String>,
}

/// Leads of the caller's scope, a page at a time.
#[utoipa::path(get, path = "/crm/leads", tag = "leads",
    params(Parameters, ("tenant_id" = Option<i32>, Query, description = "Must be the caller's own")),
    responses((status = OK, body = Leads), (status = BAD_REQUEST, body = ErrorBody)))]
pub(crate) async fn list(
    mut tenant: Tenant,
    Query(parameters): Query<Parameters>,
) -> Result<Json<Leads>, ApiError> {
    let (filter, page) = parameters.check()?;
    let within = Within { meta: false, scope: Scope::of(&tenant.caller()) };
    let mut leads = queries::page(tenant.transaction(), within, &filter, &page).await?;
    let next_cursor = page.cut(&mut leads);
    let total = queries::total(tenant.transaction(), within, &filter).await?;
    Ok(Json(Leads { leads, total, next_cursor }))
}
