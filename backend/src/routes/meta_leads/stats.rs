//! The cards above the list of Meta leads: kept counts, never a count of rows. Knows no HTTP.

use serde::Serialize;
use sqlx::FromRow;
use utoipa::ToSchema;

use crate::tenant::Tenant;

/// Cards of the page, over all Meta leads of the tenant.
#[derive(Debug, Serialize, FromRow, ToSchema)]
pub(crate) struct Stats {
    /// All.
    pub(super) total: i64,
    /// In status `new`.
    new: i64,
    /// In status `contacted`.
    contacted: i64,
    /// In status `won`.
    converted: i64,
    /// Created today, by the tenant's clock.
    today: i64,
    /// Owned by nobody.
    unassigned: i64,
    /// `converted / total`, from 0 to 1; null without leads.
    conversion_rate: Option<f64>,
}

/// The cards: kept counts, and today by the index. Zone arithmetic stands in subqueries of its own: its functions
/// are not leakproof, and under row-level security only a finished value becomes an index condition.
pub(super) async fn read(tenant: &mut Tenant) -> Result<Stats, sqlx::Error> {
    let tenant_id = tenant.caller().tenant_id;
    sqlx::query_as(
        "WITH today AS (SELECT day AT TIME ZONE time_zone AS start, (day + interval '1 day') AT TIME ZONE time_zone AS ending \
                        FROM (SELECT time_zone, date_trunc('day', now() AT TIME ZONE time_zone) AS day \
                              FROM tenants WHERE id = $1) zone) \
         SELECT total, new, contacted, converted, unassigned, converted::float8 / nullif(total, 0) AS conversion_rate, \
           (SELECT count(*) FROM leads l \
            WHERE l.tenant_id = $1 AND l.lead_source = 'META_ADS' AND NOT l.is_test AND l.merged_into IS NULL \
              AND l.created_at >= (SELECT start FROM today) AND l.created_at < (SELECT ending FROM today)) AS today \
         FROM (SELECT coalesce(sum(leads), 0)::bigint AS total, \
                      coalesce(sum(leads) FILTER (WHERE status = 'new'), 0)::bigint AS new, \
                      coalesce(sum(leads) FILTER (WHERE status = 'contacted'), 0)::bigint AS contacted, \
                      coalesce(sum(leads) FILTER (WHERE status = 'won'), 0)::bigint AS converted, \
                      coalesce(sum(leads) FILTER (WHERE NOT assigned), 0)::bigint AS unassigned \
               FROM lead_counts WHERE tenant_id = $1 AND lead_source = 'META_ADS') kept",
    )
    .bind(tenant_id)
    .fetch_one(tenant.db())
    .await
}
