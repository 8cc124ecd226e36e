//! Figures day by day.

use chrono::NaiveDate;
use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;

use super::cells::{Table, cells};
use super::period::Period;
use super::summary::{Source, from_facts, from_rows, sums_of};
use crate::tenant::Transaction;

/// One day of one figure.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub(crate) struct Day {
    pub(crate) day: NaiveDate,
    pub(crate) kind: String,
    pub(crate) count: i64,
    pub(crate) sum: i64,
}

/// Sums by day of the period, of everybody or of `only` one; days without any are left out.
///
/// # Errors
/// When the database did not say.
pub(crate) async fn trend(
    transaction: &mut Transaction,
    period: &Period,
    only: Option<Uuid>,
) -> Result<Vec<Day>, sqlx::Error> {
    let source = Source::of(transaction, period).await?;
    let tenant_id = transaction.tenant_id();
    if source == Source::Rollups {
        return sqlx::query_as(
            "SELECT day, metric AS kind, sum(count)::bigint AS count, sum(sum)::bigint AS sum FROM seller_metrics_daily
             WHERE tenant_id = $1 AND day >= $2 AND day < $3 AND ($4::uuid IS NULL OR seller_id = $4)
             GROUP BY day, metric HAVING sum(count) <> 0 ORDER BY day, metric",
        )
        .bind(tenant_id)
        .bind(period.first)
        .bind(period.after)
        .bind(only)
        .fetch_all(transaction.db())
        .await;
    }
    let sql = if source == Source::Facts { from_facts() } else { from_rows() };
    let (head, _) = sql.split_once(&sums_of("rows_of_facts")).unwrap_or((&sql, ""));
    let by_day = cells(Table::Daily, "rows_of_facts").replace("(SELECT time_zone FROM state)", "$5");
    let sql = format!(
        "{head} SELECT cell AS day, kind, sum(count)::bigint AS count, sum(sum)::bigint AS sum FROM ({by_day}) d \
         GROUP BY cell, kind ORDER BY cell, kind"
    );
    let query = sqlx::query_as(AssertSqlSafe(sql)).bind(tenant_id).bind(period.from).bind(period.until);
    query.bind(only).bind(&period.time_zone).bind(None::<Vec<String>>).fetch_all(transaction.db()).await
}
