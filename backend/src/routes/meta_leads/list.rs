//! `GET /crm/meta/leads`: a page of Meta leads with the cards above it. Thin: `filter` reads the
//! request, `queries` asks the database.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

use super::cursor::{Cursor, Key};
use super::filter::{Page, Parameters, Sort};
use super::queries::{self, MetaLead, Stats, Total};
use crate::error::ApiError;
use crate::extract::Query;
use crate::tenant::Tenant;

/// A page of leads.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MetaLeads {
    /// The rows.
    leads: Vec<MetaLead>,
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
    let mut leads = queries::page(&mut tenant, &filter, &page).await?;
    let next_cursor = cut(&mut leads, &page);
    let stats = queries::stats(&mut tenant).await?;
    let total =
        if filter.is_empty() { Total::of(stats.total) } else { queries::total(&mut tenant, &filter).await? };
    Ok(Json(MetaLeads { leads, total, stats, next_cursor }))
}

/// Takes off the row that only says that there are more; gives the cursor that goes on from the last one left.
fn cut(leads: &mut Vec<MetaLead>, page: &Page) -> Option<String> {
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    if leads.len() <= limit {
        return None;
    }
    leads.truncate(limit);
    let last = leads.last()?;
    let key = match page.sort {
        Sort::CreatedAsc | Sort::CreatedDesc => Key::Time(last.created_at.timestamp_micros()),
        Sort::ChangedAsc | Sort::ChangedDesc => Key::Time(last.status_changed_at.timestamp_micros()),
        Sort::NameAsc | Sort::NameDesc => Key::Name(last.name_key.clone()),
    };
    Some(Cursor { sort: page.sort, key, id: last.id }.encode())
}
