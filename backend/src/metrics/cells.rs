//! Rollups: how a row of facts becomes cells by hour and day, and how cells are raised. Raising is adding, so that
//! transactions may do it in any order; each adds to its cells in the order of their keys, so that none waits in a ring.

use super::VERSION;

/// Upper bounds of the buckets in seconds; the last bucket has none.
pub(super) const BOUNDS: [i64; 7] = [60, 300, 900, 1800, 3600, 4 * 3600, 24 * 3600];

/// The bucket (1 to 8) of a duration, null for what is none; columns `kind` and `value`.
fn bucket() -> String {
    let steps: Vec<String> = BOUNDS.iter().map(|bound| format!("(value > {bound})::int")).collect();
    format!(
        "CASE WHEN kind IN ('response', 'first_response', 'first_response_own', 'assigned') AND value IS NOT NULL \
              THEN 1 + {} END",
        steps.join(" + ")
    )
}

/// `rows` with their bucket and the cell of `unit`, as a subquery.
fn with_cells(rows: &str, cell: &str) -> String {
    format!("(SELECT seller_id, kind, value, sign, {} AS bucket, {cell} AS cell FROM {rows})", bucket())
}

/// A table of rollups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    /// By hour of UTC, of messages only: the hours of the day. Days of another zone come from the facts.
    Hourly,
    /// By day of the zone in `metrics_state`; the statement has it as `(SELECT time_zone FROM state)`.
    Daily,
}

impl Table {
    pub(super) const ALL: [Self; 2] = [Self::Hourly, Self::Daily];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Hourly => "seller_metrics_hourly",
            Self::Daily => "seller_metrics_daily",
        }
    }

    /// The column that names the cell.
    pub(super) const fn column(self) -> &'static str {
        match self {
            Self::Hourly => "hour",
            Self::Daily => "day",
        }
    }

    /// Which facts it holds; a condition on `kind`.
    pub(super) const fn holds(self) -> &'static str {
        match self {
            Self::Hourly => "kind IN ('sent', 'received')",
            Self::Daily => "true",
        }
    }

    /// When the cell of `$2` begins: from there on everything is in whole cells.
    pub(super) const fn start(self) -> &'static str {
        match self {
            Self::Hourly => "date_trunc('hour', $2::timestamptz, 'UTC')",
            Self::Daily => {
                "(date_trunc('day', $2::timestamptz AT TIME ZONE (SELECT time_zone FROM state)) \
                 AT TIME ZONE (SELECT time_zone FROM state))"
            }
        }
    }

    /// The cell of a moment.
    pub(super) const fn cell(self) -> &'static str {
        match self {
            Self::Hourly => "date_trunc('hour', occurred_at, 'UTC')",
            Self::Daily => "(occurred_at AT TIME ZONE (SELECT time_zone FROM state))::date",
        }
    }
}

/// The cells that `rows (seller_id, kind, value, occurred_at, sign)` add up to, as `SELECT seller_id, kind, cell, count,
/// sum, buckets`.
pub(super) fn cells(table: Table, rows: &str) -> String {
    cells_of_all(table, &format!("(SELECT * FROM {rows} a WHERE {}) h", table.holds()))
}

/// The same of rows all of which the table holds: the planner cannot tell how many a condition lets through. First by
/// bucket, so that no row is asked eight times which it is in.
pub(super) fn cells_of_all(table: Table, rows: &str) -> String {
    let rows = with_cells(rows, table.cell());
    let buckets: Vec<String> =
        (1..=8).map(|n| format!("coalesce(sum(count) FILTER (WHERE bucket = {n}), 0)::bigint")).collect();
    format!(
        "SELECT seller_id, kind, cell, sum(count)::bigint AS count, sum(sum)::bigint AS sum, ARRAY[{}] AS buckets \
         FROM (SELECT seller_id, kind, cell, bucket, sum(sign)::bigint AS count, coalesce(sum(sign * value), 0)::bigint AS sum \
               FROM {rows} r GROUP BY seller_id, kind, cell, bucket) b \
         GROUP BY seller_id, kind, cell",
        buckets.join(", ")
    )
}

/// Adds `cells` (as [`cells`] has them) to the table; `$1` is the tenant.
pub(super) fn raise(table: Table, cells: &str) -> String {
    let (name, column) = (table.name(), table.column());
    let buckets: Vec<String> = (1..=8).map(|n| format!("t.buckets[{n}] + EXCLUDED.buckets[{n}]")).collect();
    format!(
        "INSERT INTO {name} AS t (tenant_id, seller_id, metric, {column}, metrics_version, count, sum, buckets) \
         SELECT $1, seller_id, kind, cell, {VERSION}, count, sum, buckets FROM ({cells}) c \
         WHERE count <> 0 OR sum <> 0 OR buckets <> '{{0,0,0,0,0,0,0,0}}' \
         ORDER BY cell, kind, seller_id \
         ON CONFLICT ON CONSTRAINT {name}_key DO UPDATE \
         SET count = t.count + EXCLUDED.count, sum = t.sum + EXCLUDED.sum, buckets = ARRAY[{}], \
             metrics_version = EXCLUDED.metrics_version, updated_at = now()",
        buckets.join(", ")
    )
}
