//! `GET /crm/meta/leads`: a page of Meta leads with the cards above it. Thin: `filter` reads the
//! request, `queries` asks the database.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

use super::stats::{self, Stats};
use crate::conversations::Scope;
use crate::error::ApiError;
use crate::extract::Query;
use crate::routes::leads::filter::Parameters;
use crate::routes::leads::queries::{self, LeadRow, Total, Within};
use crate::tenant::Tenant;

/// A page of leads.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MetaLeads {
    /// The rows.
    leads: Vec<LeadRow>,
    /// Rows of all pages under this filter: exact to 10,000, then `"10000+"`.
    total: Total,
    /// Figures of all Meta leads of the tenant, whatever the filter.
    stats: Stats,
    /// Give it as `cursor` for the page after this; null on the last.
    next_cursor: Option<String>,
}

/// Meta leads of the tenant, a page at a time.
#[utoipa::path(get, path = "/crm/meta/leads", tag = "meta-leads",
    params(Parameters, ("tenant_id" = Option<i32>, Query, description = "Must be the caller's own")),
    responses((status = OK, body = MetaLeads), (status = BAD_REQUEST, body = crate::error::ErrorBody)))]
pub(crate) async fn list(
    mut tenant: Tenant,
    Query(parameters): Query<Parameters>,
) -> Result<Json<MetaLeads>, ApiError> {
    let (filter, page) = parameters.check()?;
    // Everybody who works with leads sees all of them: they are taken from one queue.
    let within = Within { meta: true, scope: Scope::Tenant };
    let mut leads = queries::page(tenant.transaction(), within, &filter, &page).await?;
    let next_cursor = page.cut(&mut leads);
    let stats = stats::read(&mut tenant).await?;
    let total = if filter.is_empty() {
        Total::of(stats.total)
    } else {
        queries::total(tenant.transaction(), within, &filter).await?
    };
    Ok(Json(MetaLeads { leads, total, stats, next_cursor }))
}
