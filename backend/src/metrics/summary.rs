//! Figures of a period: sums of cells by vendedor. From the rollups when they are made and the days are the tenant's own,
//! from the facts for days of another zone, and from the rows themselves while nothing is made yet: the same numbers
//! each way, only not as fast.

use std::sync::Arc;

use axum::http::StatusCode;
use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;

use super::VERSION;
use super::cells::{Table, cells};
use super::facts::{Of, facts, messages};
use super::figure::{Figure, Metric};
use super::period::Period;
use super::sums::{BySeller, Sums};
use crate::error::ApiError;
use crate::tenant::Transaction;

#[derive(Debug, FromRow)]
struct Row {
    seller_id: Option<Uuid>,
    kind: String,
    count: i64,
    sum: i64,
    buckets: Vec<i64>,
    days: i64,
}

#[derive(Debug, FromRow)]
struct Standing {
    seller_id: Option<Uuid>,
    open: i64,
    active: i64,
    waiting: i64,
}

/// How a tenant's figures can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Rollups,
    Facts,
    Rows,
}

impl Source {
    pub(super) async fn of(transaction: &mut Transaction, period: &Period) -> Result<Self, sqlx::Error> {
        let tenant_id = transaction.tenant_id();
        let made: Option<(i32, String)> =
            sqlx::query_as("SELECT metrics_version, time_zone FROM metrics_state WHERE tenant_id = $1")
                .bind(tenant_id)
                .fetch_optional(transaction.db())
                .await?;
        Ok(match made {
            Some((VERSION, zone)) if zone == period.time_zone => Self::Rollups,
            Some((VERSION, _)) => Self::Facts,
            _ => Self::Rows,
        })
    }
}

/// Stops who asks for facts that are not stored yet.
///
/// # Errors
/// 503 `metrics_not_made`, to be tried again soon.
pub(crate) async fn refuse_unless_made(transaction: &mut Transaction) -> Result<(), ApiError> {
    let tenant_id = transaction.tenant_id();
    let made: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM metrics_state WHERE tenant_id = $1 AND metrics_version = $2)",
    )
    .bind(tenant_id)
    .bind(VERSION)
    .fetch_one(transaction.db())
    .await?;
    if made {
        return Ok(());
    }
    let message = "the rows behind the figures are being made, try again in a moment";
    let error = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "metrics_not_made", message);
    Err(ApiError { retry_after: Some(10), ..error })
}

/// Which metrics are asked for; those of `Metric`, in one order, and [`STANDING`]. Few of them are quicker than all.
pub(crate) type Few = &'static [&'static str];
/// Among them: what stands now, whatever the period.
pub(crate) const STANDING: &str = "standing";

/// Figures of `period`, of everybody or of `only` one; what was computed a moment ago, unless something changed since.
///
/// # Errors
/// When the database did not say.
pub(crate) async fn figures(
    transaction: &mut Transaction,
    period: &Period,
    only: Option<Uuid>,
) -> Result<Arc<Sums>, sqlx::Error> {
    kept(transaction, period, only, None).await
}

/// The same of a `few` metrics, their durations as a whole and not by bucket.
///
/// # Errors
/// When the database did not say.
pub(crate) async fn few_figures(
    transaction: &mut Transaction,
    period: &Period,
    only: Option<Uuid>,
    few: Few,
) -> Result<Arc<Sums>, sqlx::Error> {
    kept(transaction, period, only, Some(few)).await
}

async fn kept(
    transaction: &mut Transaction,
    period: &Period,
    only: Option<Uuid>,
    few: Option<Few>,
) -> Result<Arc<Sums>, sqlx::Error> {
    let cache = transaction.figures_cache();
    let key = match &cache {
        Some(cache) => cache.key(transaction.tenant_id(), period, only, few).await,
        None => None,
    };
    if let Some((cache, key)) = cache.zip(key) {
        let mut own = None;
        let compute =
            async || computed(transaction, period, only, few).await.map_err(|error| own = Some(error));
        match (cache.get(key, compute).await, own) {
            (Some(sums), _) => return Ok(sums),
            (None, Some(error)) => return Err(error),
            // Somebody else's trouble, whom many waited for.
            (None, None) => {}
        }
    }
    computed(transaction, period, only, few).await.map(Arc::new)
}

async fn computed(
    transaction: &mut Transaction,
    period: &Period,
    only: Option<Uuid>,
    few: Option<Few>,
) -> Result<Sums, sqlx::Error> {
    let source = Source::of(transaction, period).await?;
    let mut by_seller = BySeller::default();
    for row in happened(transaction, source, period, only, few).await? {
        let figures = by_seller.entry(row.seller_id).or_default();
        if row.kind == Metric::SENT {
            figures.active_days = row.days;
        }
        let mut figure = Figure { count: row.count, sum: row.sum, buckets: [0; 8] };
        figure.buckets.iter_mut().zip(row.buckets).for_each(|(own, bucket)| *own = bucket);
        figures.by_metric.insert(row.kind, figure);
    }
    if few.is_none_or(|few| few.contains(&STANDING)) {
        for row in standing(transaction, source, period, only).await? {
            let figures = by_seller.entry(row.seller_id).or_default();
            (figures.open, figures.active, figures.waiting) = (row.open, row.active, row.waiting);
        }
    }
    Ok(Sums::new(by_seller, period.now))
}

async fn happened(
    transaction: &mut Transaction,
    source: Source,
    period: &Period,
    only: Option<Uuid>,
    few: Option<Few>,
) -> Result<Vec<Row>, sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    if source == Source::Rollups {
        let sql = from_rollups(only, few);
        let query = sqlx::query_as(AssertSqlSafe(sql)).bind(tenant_id).bind(period.first);
        return query.bind(period.after).bind(only).bind(few).fetch_all(transaction.db()).await;
    }
    let sql = if source == Source::Facts { from_facts() } else { from_rows() };
    let query = sqlx::query_as(AssertSqlSafe(sql)).bind(tenant_id).bind(period.from).bind(period.until);
    query.bind(only).bind(&period.time_zone).bind(few).fetch_all(transaction.db()).await
}

/// `$1` tenant, `$2` first day, `$3` day after the last, `$4` the only vendedor, `$5` few metrics. Texts of their own instead of
/// "or null", for which a plan that is kept would read all that happened in these days.
fn from_rollups(only: Option<Uuid>, few: Option<Few>) -> String {
    let each: Vec<String> = (1..=8).map(|n| format!("sum(buckets[{n}])::bigint")).collect();
    let buckets = if few.is_some() { WHOLE.to_owned() } else { each.join(", ") };
    let one = if only.is_some() { "seller_id = $4" } else { "$4::uuid IS NULL" };
    let metrics = if few.is_some() { "metric = ANY($5)" } else { "$5::text[] IS NULL" };
    format!(
        "SELECT seller_id, metric AS kind, sum(count)::bigint AS count, sum(sum)::bigint AS sum, ARRAY[{buckets}] AS buckets, \
                count(*) FILTER (WHERE count > 0) AS days \
         FROM seller_metrics_daily WHERE tenant_id = $1 AND day >= $2 AND day < $3 AND {one} AND {metrics} \
         GROUP BY seller_id, metric"
    )
}

/// All durations in one bucket: eight sums over every cell take longer than all the rest.
const WHOLE: &str = "sum(CASE WHEN metric IN ('response', 'first_response', 'first_response_own', 'assigned') \
     THEN buckets[1] + buckets[2] + buckets[3] + buckets[4] + buckets[5] + buckets[6] + buckets[7] + buckets[8] ELSE 0 END)::bigint";

/// Sums of `rows (seller_id, kind, value, occurred_at, sign)`; `$5` is the zone of the days.
pub(super) fn sums_of(rows: &str) -> String {
    let by_day = cells(Table::Daily, rows).replace("(SELECT time_zone FROM state)", "$5");
    let buckets: Vec<String> = (1..=8).map(|n| format!("sum(buckets[{n}])::bigint")).collect();
    format!(
        "SELECT seller_id, kind, sum(count)::bigint AS count, sum(sum)::bigint AS sum, ARRAY[{}] AS buckets, count(*) AS days \
         FROM ({by_day}) d GROUP BY seller_id, kind",
        buckets.join(", ")
    )
}

/// `$1` tenant, `$2` from, `$3` until, `$4` the only vendedor or null, `$5` zone, `$6` few metrics or null.
pub(super) fn from_facts() -> String {
    let messages = messages("m.created_at >= $2 AND m.created_at < $3");
    let sums = sums_of("rows_of_facts");
    format!(
        "WITH {messages}, rows_of_facts (seller_id, kind, value, occurred_at, sign) AS ( \
           SELECT seller_id, kind, value, occurred_at, 1 FROM seller_events \
           WHERE tenant_id = $1 AND occurred_at >= $2 AND occurred_at < $3 AND ($4::uuid IS NULL OR seller_id = $4) \
             AND ($6::text[] IS NULL OR kind = ANY($6)) \
           UNION ALL \
           SELECT seller_id, kind, NULL, occurred_at, n FROM messages_counted \
           WHERE ($4::uuid IS NULL OR seller_id = $4) AND ($6::text[] IS NULL OR kind = ANY($6))) \
         {sums}"
    )
}

/// The same without any fact stored.
pub(super) fn from_rows() -> String {
    let (facts, messages) = (facts(Of::All), messages("m.created_at >= $2 AND m.created_at < $3"));
    let sums = sums_of("rows_of_facts");
    format!(
        "WITH {facts}, {messages}, rows_of_facts (seller_id, kind, value, occurred_at, sign) AS ( \
           SELECT seller_id, kind, value, occurred_at, 1 FROM facts \
           WHERE occurred_at >= $2 AND occurred_at < $3 AND ($4::uuid IS NULL OR seller_id = $4) \
             AND ($6::text[] IS NULL OR kind = ANY($6)) \
           UNION ALL \
           SELECT seller_id, kind, NULL, occurred_at, n FROM messages_counted \
           WHERE ($4::uuid IS NULL OR seller_id = $4) AND ($6::text[] IS NULL OR kind = ANY($6))) \
         {sums}"
    )
}

/// What stands now, whatever the period.
async fn standing(
    transaction: &mut Transaction,
    source: Source,
    period: &Period,
    only: Option<Uuid>,
) -> Result<Vec<Standing>, sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    let since = period.today - chrono::TimeDelta::days(6);
    let (sql, zone) = match source {
        Source::Rollups => (STANDING_FROM_ROLLUPS, None),
        Source::Facts | Source::Rows => (STANDING_FROM_ROWS, Some(&period.time_zone)),
    };
    let query = sqlx::query_as(sql).bind(tenant_id).bind(since).bind(only);
    match zone {
        Some(zone) => query.bind(zone).fetch_all(transaction.db()).await,
        None => query.fetch_all(transaction.db()).await,
    }
}

const STANDING_FROM_ROLLUPS: &str = "\
    SELECT seller_id, coalesce(sum(count) FILTER (WHERE metric = 'open'), 0)::bigint AS open,
           coalesce(sum(count) FILTER (WHERE metric = 'open' AND day >= $2), 0)::bigint AS active,
           coalesce(sum(count) FILTER (WHERE metric = 'waiting'), 0)::bigint AS waiting
    FROM seller_metrics_daily
    WHERE tenant_id = $1 AND metric IN ('open', 'waiting') AND ($3::uuid IS NULL OR seller_id = $3)
    GROUP BY seller_id";

const STANDING_FROM_ROWS: &str = "\
    SELECT c.assigned_seller_id AS seller_id, count(*) AS open,
           count(*) FILTER (WHERE c.last_message_at >= $2::date::timestamp AT TIME ZONE $4) AS active,
           count(c.waiting_since) AS waiting
    FROM conversations c LEFT JOIN leads l ON l.tenant_id = c.tenant_id AND l.id = c.lead_id
    WHERE c.tenant_id = $1 AND c.closed_at IS NULL AND (l.id IS NULL OR (NOT l.is_test AND l.merged_into IS NULL))
      AND ($3::uuid IS NULL OR c.assigned_seller_id = $3)
    GROUP BY 1";
