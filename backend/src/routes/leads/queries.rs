//! The questions behind the lists of leads. Values are always bound; only names of columns of this
//! program are put into the text. Knows no HTTP.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{FromRow, Postgres, QueryBuilder};
use utoipa::ToSchema;
use uuid::Uuid;

use super::cursor::Key;
use super::filter::{Filter, Moment, Owner, Page, Sort};
use crate::conversations::Scope;
use crate::response_target::ResponseState;
use crate::tenant::Transaction;

/// Exact count up to here.
const EXACT: i64 = 10_000;
/// What a Meta lead is. Word for word the predicate of `leads_tenant_meta_list_idx`.
const META: &str = "l.lead_source = 'META_ADS' AND NOT l.is_test AND l.merged_into IS NULL";

/// What test and merged leads are not: word for word the predicate of the indexes.
const COUNTED: &str = "NOT l.is_test AND l.merged_into IS NULL";

/// Which leads a list is over, before anything is filtered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Within {
    /// Only those that came through Meta.
    pub(crate) meta: bool,
    /// Whose.
    pub(crate) scope: Scope,
}

/// One lead as lists show it.
#[derive(Debug, Serialize, FromRow, ToSchema)]
#[schema(as = Lead)]
pub(crate) struct LeadRow {
    pub(crate) id: Uuid,
    pub(super) first_name: String,
    pub(super) last_name: String,
    /// E.164.
    pub(super) phone: Option<String>,
    pub(super) email: Option<String>,
    pub(super) status: String,
    pub(crate) status_changed_at: DateTime<Utc>,
    /// Door it came through.
    pub(super) source: String,
    /// Where it came from: `META_ADS`, `REFERRAL`, `ORGANIC`, `WEBSITE` …
    pub(super) lead_source: String,
    /// Owner; null: nobody.
    pub(super) assigned_seller_id: Option<Uuid>,
    /// Name of the owner.
    pub(super) assigned_seller_name: Option<String>,
    pub(super) assigned_at: Option<DateTime<Utc>>,
    pub(super) meta_lead_id: Option<String>,
    pub(super) meta_campaign_id: Option<String>,
    pub(super) meta_campaign_name: Option<String>,
    pub(super) meta_adset_id: Option<String>,
    pub(super) meta_adset_name: Option<String>,
    pub(super) meta_ad_id: Option<String>,
    pub(super) meta_ad_name: Option<String>,
    pub(super) meta_form_id: Option<String>,
    pub(super) meta_form_name: Option<String>,
    /// Decimal number as text, two places; null: unknown.
    pub(super) amount: Option<String>,
    /// ISO 4217.
    pub(super) currency: Option<String>,
    pub(super) tags: Vec<String>,
    /// The lead that took this one over; lists leave such leads out.
    pub(super) merged_into: Option<Uuid>,
    /// First human reply to this person.
    pub(super) first_response_at: Option<DateTime<Utc>>,
    /// When it is, or was, due.
    #[serde(rename = "due_at")]
    pub(super) response_due_at: Option<DateTime<Utc>>,
    #[serde(skip)]
    pub(super) response_warn_at: Option<DateTime<Utc>>,
    /// `on_time`, `warning`, `late`, `met` or `missed`; null for leads from before there was a target.
    #[sqlx(skip)]
    pub(super) response_state: Option<ResponseState>,
    #[serde(skip)]
    pub(super) now: DateTime<Utc>,
    pub(crate) created_at: DateTime<Utc>,
    #[serde(skip)]
    pub(crate) name_key: String,
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
    pub(crate) fn of(count: i64) -> Self {
        if count > EXACT { Self::More("10000+") } else { Self::Exact(count) }
    }
}

/// A page and one row more, which says that there is a next one.
pub(crate) async fn page(
    transaction: &mut Transaction,
    within: Within,
    filter: &Filter,
    page: &Page,
) -> Result<Vec<LeadRow>, sqlx::Error> {
    let mut sql = QueryBuilder::new(
        "SELECT l.id, l.first_name, l.last_name, l.phone, l.email, l.status, l.status_changed_at, l.source, \
                l.lead_source, l.assigned_seller_id, btrim(u.first_name || ' ' || u.last_name) AS assigned_seller_name, \
                l.assigned_at, l.meta_lead_id, l.meta_campaign_id, l.meta_campaign_name, l.meta_adset_id, \
                l.meta_adset_name, l.meta_ad_id, l.meta_ad_name, l.meta_form_id, l.meta_form_name, \
                l.amount::text AS amount, l.currency, l.tags, l.merged_into, l.first_response_at, l.response_warn_at, l.response_due_at, \
                now() AS now, l.created_at, l.name_key \
         FROM leads l LEFT JOIN users u ON u.tenant_id = l.tenant_id AND u.id = l.assigned_seller_id WHERE ",
    );
    restrict(&mut sql, transaction.tenant_id(), within, filter);
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
    let rows: Vec<LeadRow> = sql.build_query_as().fetch_all(transaction.db()).await?;
    Ok(rows.into_iter().map(LeadRow::with_state).collect())
}

impl LeadRow {
    fn with_state(mut self) -> Self {
        self.response_state =
            ResponseState::at(self.now, self.response_warn_at, self.response_due_at, self.first_response_at);
        self
    }
}

/// One lead in scope, merged ones included.
pub(crate) async fn one(
    transaction: &mut Transaction,
    scope: Scope,
    id: Uuid,
) -> Result<Option<LeadRow>, sqlx::Error> {
    let filter = Filter { id: Some(id), ..Filter::default() };
    let page = Page { sort: Sort::default(), limit: 1, after: None };
    let within = Within { meta: false, scope };
    Ok(self::page(transaction, within, &filter, &page).await?.into_iter().next())
}

/// How many leads the filter lets through.
pub(crate) async fn total(
    transaction: &mut Transaction,
    within: Within,
    filter: &Filter,
) -> Result<Total, sqlx::Error> {
    let mut sql = QueryBuilder::new("SELECT count(*) FROM (SELECT FROM leads l WHERE ");
    restrict(&mut sql, transaction.tenant_id(), within, filter);
    sql.push(" LIMIT ").push_bind(EXACT + 1).push(") found");
    let count = sql.build_query_scalar().fetch_one(transaction.db()).await?;
    Ok(Total::of(count))
}

fn column(sort: Sort) -> &'static str {
    match sort {
        Sort::CreatedAsc | Sort::CreatedDesc => "l.created_at",
        Sort::ChangedAsc | Sort::ChangedDesc => "l.status_changed_at",
        Sort::NameAsc | Sort::NameDesc => "l.name_key",
    }
}

/// Writes the conditions of the filter.
fn restrict(sql: &mut QueryBuilder<Postgres>, tenant_id: i32, within: Within, filter: &Filter) {
    sql.push("l.tenant_id = ").push_bind(tenant_id);
    if let Some(seller) = within.scope.seller() {
        sql.push(" AND (l.assigned_seller_id IS NULL OR l.assigned_seller_id = ").push_bind(seller).push(")");
    }
    if let Some(id) = filter.id {
        // Asked for by name, so test and merged ones are there too.
        sql.push(" AND l.id = ").push_bind(id);
        return;
    }
    sql.push(" AND ").push(if within.meta { META } else { COUNTED });
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
    created(sql, tenant_id, ">=", filter.created_after);
    created(sql, tenant_id, "<", filter.created_before);
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

fn created(sql: &mut QueryBuilder<Postgres>, tenant_id: i32, comparison: &str, moment: Option<Moment>) {
    let Some(moment) = moment else { return };
    sql.push(format!(" AND l.created_at {comparison} "));
    match moment {
        Moment::At(at) => sql.push_bind(at),
        // Worked out once, so that it can be an index condition (see the cards of Meta leads).
        Moment::Day(day) => sql
            .push("(SELECT ")
            .push_bind(day)
            .push("::timestamp AT TIME ZONE time_zone FROM tenants WHERE id = ")
            .push_bind(tenant_id)
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
