//! The questions behind the list of Meta leads. Values are always bound; only names of columns of this
//! program are put into the text. Knows no HTTP.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{FromRow, Postgres, QueryBuilder};
use utoipa::ToSchema;
use uuid::Uuid;

use super::cursor::Key;
use super::filter::{Filter, Moment, Owner, Page, Sort};
use crate::tenant::Tenant;

/// Exact count up to here.
const EXACT: i64 = 10_000;
/// What a Meta lead is. Word for word the predicate of `leads_tenant_meta_list_idx`.
const META: &str = "l.lead_source = 'META_ADS' AND NOT l.is_test AND l.merged_into IS NULL";

/// One lead.
#[derive(Debug, Serialize, FromRow, ToSchema)]
pub(crate) struct MetaLead {
    pub(super) id: Uuid,
    first_name: String,
    last_name: String,
    /// E.164.
    phone: Option<String>,
    email: Option<String>,
    status: String,
    pub(super) status_changed_at: DateTime<Utc>,
    /// Door it came through.
    source: String,
    /// `META_ADS`.
    lead_source: String,
    /// Owner; null: nobody.
    assigned_seller_id: Option<Uuid>,
    /// Name of the owner.
    assigned_seller_name: Option<String>,
    assigned_at: Option<DateTime<Utc>>,
    meta_lead_id: Option<String>,
    meta_campaign_id: Option<String>,
    meta_campaign_name: Option<String>,
    meta_adset_id: Option<String>,
    meta_adset_name: Option<String>,
    meta_ad_id: Option<String>,
    meta_ad_name: Option<String>,
    meta_form_id: Option<String>,
    meta_form_name: Option<String>,
    /// Decimal number as text, two places; null: unknown.
    amount: Option<String>,
    /// ISO 4217.
    currency: Option<String>,
    tags: Vec<String>,
    pub(super) created_at: DateTime<Utc>,
    #[serde(skip)]
    pub(super) name_key: String,
}

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

/// A count that gives up at [`EXACT`].
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Total {
    /// This many.
    Exact(i64),
    /// `"10000+"`: more than that.
    More(&'static str),
}

impl Total {
    /// The count to show for `count` rows.
    pub(super) fn of(count: i64) -> Self {
        if count > EXACT { Self::More("10000+") } else { Self::Exact(count) }
    }
}

/// A page and one row more, which says that there is a next one.
pub(super) async fn page(
    tenant: &mut Tenant,
    filter: &Filter,
    page: &Page,
) -> Result<Vec<MetaLead>, sqlx::Error> {
    let mut sql = QueryBuilder::new(
        "SELECT l.id, l.first_name, l.last_name, l.phone, l.email, l.status, l.status_changed_at, l.source, \
                l.lead_source, l.assigned_seller_id, btrim(u.first_name || ' ' || u.last_name) AS assigned_seller_name, \
                l.assigned_at, l.meta_lead_id, l.meta_campaign_id, l.meta_campaign_name, l.meta_adset_id, \
                l.meta_adset_name, l.meta_ad_id, l.meta_ad_name, l.meta_form_id, l.meta_form_name, \
                l.amount::text AS amount, l.currency, l.tags, l.created_at, l.name_key \
         FROM leads l LEFT JOIN users u ON u.tenant_id = l.tenant_id AND u.id = l.assigned_seller_id WHERE ",
    );
    restrict(&mut sql, tenant, filter);
    let (column, way) = (column(page.sort), if page.sort.descending() { "DESC" } else { "ASC" });
    if let Some(after) = &page.after {
        let beyond = if page.sort.descending() { "<" } else { ">" };
        sql.push(format!(" AND ({column}, l.id) {beyond} ("));
        match &after.key {
            Key::Time(micros) => sql.push_bind(DateTime::from_timestamp_micros(*micros)),
            Key::Name(name) => sql.push_bind(name.clone()),
        };
        sql.push(", ").push_bind(after.id).push(")");
    }
    sql.push(format!(" ORDER BY {column} {way}, l.id {way} LIMIT ")).push_bind(page.limit + 1);
    sql.build_query_as().fetch_all(tenant.db()).await
}

/// How many leads the filter lets through.
pub(super) async fn total(tenant: &mut Tenant, filter: &Filter) -> Result<Total, sqlx::Error> {
    let mut sql = QueryBuilder::new("SELECT count(*) FROM (SELECT FROM leads l WHERE ");
    restrict(&mut sql, tenant, filter);
    sql.push(" LIMIT ").push_bind(EXACT + 1).push(") found");
    let count = sql.build_query_scalar().fetch_one(tenant.db()).await?;
    Ok(Total::of(count))
}

/// The cards: kept counts, and today by the index. Zone arithmetic stands in subqueries of its own: its functions
/// are not leakproof, and under row-level security only a finished value becomes an index condition.
pub(super) async fn stats(tenant: &mut Tenant) -> Result<Stats, sqlx::Error> {
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

fn column(sort: Sort) -> &'static str {
    match sort {
        Sort::CreatedAsc | Sort::CreatedDesc => "l.created_at",
        Sort::ChangedAsc | Sort::ChangedDesc => "l.status_changed_at",
        Sort::NameAsc | Sort::NameDesc => "l.name_key",
    }
}

/// Writes the conditions of the filter.
fn restrict(sql: &mut QueryBuilder<Postgres>, tenant: &Tenant, filter: &Filter) {
    sql.push("l.tenant_id = ").push_bind(tenant.caller().tenant_id).push(" AND ").push(META);
    if let Some(status) = filter.status {
        sql.push(" AND l.status = ").push_bind(status);
    }
    named(sql, "campaign", filter.campaign.as_ref());
    named(sql, "form", filter.form.as_ref());
    match filter.owner {
        Some(Owner::Nobody) => sql.push(" AND l.assigned_seller_id IS NULL"),
        Some(Owner::Seller(id)) => sql.push(" AND l.assigned_seller_id = ").push_bind(id),
        None => sql,
    };
    created(sql, tenant, ">=", filter.created_after);
    created(sql, tenant, "<", filter.created_before);
    if let Some(search) = &filter.search {
        look_for(sql, search);
    }
}

/// By id, or by name without case and accents.
fn named(sql: &mut QueryBuilder<Postgres>, thing: &str, wanted: Option<&String>) {
    let Some(wanted) = wanted else { return };
    sql.push(format!(" AND (l.meta_{thing}_id = ")).push_bind(wanted.clone());
    sql.push(format!(" OR crm_fold(l.meta_{thing}_name) = crm_fold(")).push_bind(wanted.clone()).push("))");
}

fn created(sql: &mut QueryBuilder<Postgres>, tenant: &Tenant, comparison: &str, moment: Option<Moment>) {
    let Some(moment) = moment else { return };
    sql.push(format!(" AND l.created_at {comparison} "));
    match moment {
        Moment::At(at) => sql.push_bind(at),
        // Worked out once, so that it can be an index condition (see `stats`).
        Moment::Day(day) => sql
            .push("(SELECT ")
            .push_bind(day)
            .push("::timestamp AT TIME ZONE time_zone FROM tenants WHERE id = ")
            .push_bind(tenant.caller().tenant_id)
            .push(")"),
    };
}

/// Part of a name or mail address, or of a phone number however it is written.
fn look_for(sql: &mut QueryBuilder<Postgres>, search: &str) {
    let escaped = search.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    let pattern = format!("%{escaped}%");
    sql.push(" AND (l.name_key LIKE crm_fold(").push_bind(pattern.clone());
    sql.push(") OR lower(l.email) LIKE lower(").push_bind(pattern).push(")");
    if let Some(digits) = phone_digits(search) {
        sql.push(" OR l.phone LIKE ").push_bind(format!("%{digits}%"));
    }
    sql.push(")");
}

/// The digits of a text that can be part of a phone number.
fn phone_digits(search: &str) -> Option<String> {
    let phone = search.chars().all(|c| c.is_ascii_digit() || matches!(c, ' ' | '+' | '-' | '(' | ')' | '.'));
    let digits: String = search.chars().filter(char::is_ascii_digit).collect();
    (phone && digits.len() >= 3).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn total_is_exact_to_ten_thousand() {
        assert_eq!(Total::of(10_000), Total::Exact(10_000));
        assert_eq!(Total::of(10_001), Total::More("10000+"));
        assert_eq!(serde_json::to_string(&[Total::of(3), Total::of(20_000)]).unwrap(), r#"[3,"10000+"]"#);
    }

    #[test]
    fn phone_is_found_however_it_is_written() {
        assert_eq!(phone_digits("+54 9 (11) 5555-0101").as_deref(), Some("5491155550101"));
        assert_eq!(phone_digits("12"), None);
        assert_eq!(phone_digits("calle 123"), None);
    }
}
