//! Makes facts and rollups anew and says what was different: for a tenant that has none, for another definition or
//! zone, and each night for the last days, when nothing should be. In small transactions, so that nobody waits long; a
//! check is one statement over one snapshot, so what is written meanwhile is no difference.

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use super::VERSION;
use super::cells::{Table, cells_of_all, raise};
use super::facts::{Of, facts, messages};
use super::settle::{Touched, settle};
use crate::database::Database;
use crate::error::ApiError;
use crate::tenant::Transaction;

/// Conversations, or leads, of one transaction.
const CHUNK: i64 = 200;
/// Marks a tenant whose rollups are being made: what is written is settled, and figures still come from the rows.
const BEING_MADE: i32 = 0;

/// What a check found, and mended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Checked {
    /// Facts that were missing, wrong or no longer true.
    pub(crate) facts: i64,
    /// Cells of rollups that did not hold the sum of their facts.
    pub(crate) cells: i64,
}

impl Checked {
    /// All together.
    pub(crate) fn differences(self) -> i64 {
        self.facts + self.cells
    }
}

/// Makes a tenant's rollups unless they are there by this definition and in its present zone; true when they were made.
///
/// # Errors
/// When the database did not take it; what was done stays, and the next call goes on.
pub(crate) async fn ensure(database: &Database, tenant_id: i32) -> Result<bool, ApiError> {
    let mut transaction = Transaction::inside(database, tenant_id).await?;
    let due: bool = sqlx::query_scalar(
        "SELECT NOT EXISTS (SELECT FROM metrics_state s JOIN tenants t ON t.id = s.tenant_id
           WHERE s.tenant_id = $1 AND s.metrics_version = $2 AND s.time_zone = t.time_zone)",
    )
    .bind(tenant_id)
    .bind(VERSION)
    .fetch_one(transaction.db())
    .await?;
    if !due {
        return Ok(false);
    }
    // From here on what is written is settled. Days of another zone are none.
    sqlx::query(
        "WITH gone AS (DELETE FROM seller_metrics_daily WHERE tenant_id = $1)
         INSERT INTO metrics_state (tenant_id, metrics_version, time_zone)
         SELECT id, $2, time_zone FROM tenants WHERE id = $1
         ON CONFLICT (tenant_id) DO UPDATE SET metrics_version = EXCLUDED.metrics_version, time_zone = EXCLUDED.time_zone",
    )
    .bind(tenant_id)
    .bind(BEING_MADE)
    .execute(transaction.db())
    .await?;
    transaction.commit().await?;
    renew(database, tenant_id, DateTime::<Utc>::MIN_UTC).await?;
    // Once more what changed meanwhile, in transactions that began before the mark was seen.
    let since = Utc::now() - chrono::TimeDelta::hours(1);
    renew(database, tenant_id, since).await?;
    let mut transaction = Transaction::inside(database, tenant_id).await?;
    reconcile(transaction.connection(), tenant_id, None).await?;
    sqlx::query(
        "UPDATE metrics_state SET metrics_version = $2, rebuilt_at = now(), checked_at = now(), differences = 0
         WHERE tenant_id = $1 AND metrics_version = $3",
    )
    .bind(tenant_id)
    .bind(VERSION)
    .bind(BEING_MADE)
    .execute(transaction.db())
    .await?;
    transaction.commit().await?;
    database.figures_changed(tenant_id).await;
    Ok(true)
}

/// Looks at everything that changed since `since`, or since shortly before the last look when that is longer ago (a
/// release that knows no figures may have served meanwhile), and mends it; notes what it found.
///
/// # Errors
/// When the database did not take it.
pub(crate) async fn check(
    database: &Database,
    tenant_id: i32,
    since: DateTime<Utc>,
) -> Result<Checked, ApiError> {
    let since = since.min(last_look(database, tenant_id).await?.unwrap_or(since));
    let facts = renew(database, tenant_id, since).await?;
    let mut transaction = Transaction::inside(database, tenant_id).await?;
    let cells = reconcile(transaction.connection(), tenant_id, Some(since)).await?;
    let checked = Checked { facts, cells };
    sqlx::query("UPDATE metrics_state SET checked_at = now(), differences = $2 WHERE tenant_id = $1")
        .bind(tenant_id)
        .bind(checked.differences())
        .execute(transaction.db())
        .await?;
    transaction.commit().await?;
    if checked.differences() > 0 {
        database.figures_changed(tenant_id).await;
    }
    Ok(checked)
}

/// An hour before the last look: longer than any transaction that it could not see.
async fn last_look(database: &Database, tenant_id: i32) -> Result<Option<DateTime<Utc>>, ApiError> {
    let mut transaction = Transaction::inside(database, tenant_id).await?;
    let last =
        sqlx::query_scalar("SELECT checked_at - interval '1 hour' FROM metrics_state WHERE tenant_id = $1")
            .bind(tenant_id)
            .fetch_optional(transaction.db())
            .await?;
    Ok(last)
}

/// Derives the facts of what changed since `since`; gives how many were other than they should be.
async fn renew(database: &Database, tenant_id: i32, since: DateTime<Utc>) -> Result<i64, ApiError> {
    let mut differences = 0;
    for kind in [Kind::Leads, Kind::Conversations] {
        let mut after = Uuid::nil();
        loop {
            let mut transaction = Transaction::inside(database, tenant_id).await?;
            let ids = kind.hold(&mut transaction, since, after).await?;
            let Some(&last) = ids.last() else { break };
            after = last;
            let mut touched = Touched::default();
            for id in ids {
                match kind {
                    Kind::Leads => touched.lead(id),
                    Kind::Conversations => touched.conversation(id),
                }
            }
            differences += settle(&mut transaction, &touched).await?;
            transaction.commit().await?;
        }
    }
    Ok(differences)
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Leads,
    Conversations,
}

impl Kind {
    /// The next of them after `after`, held in the order that all writers hold them in: the lead, then its threads.
    async fn hold(
        self,
        transaction: &mut Transaction,
        since: DateTime<Utc>,
        after: Uuid,
    ) -> Result<Vec<Uuid>, sqlx::Error> {
        let tenant_id = transaction.tenant_id();
        let sql = match self {
            Self::Leads => {
                "SELECT id FROM leads WHERE tenant_id = $1 AND id > $3 AND updated_at >= $2
                 ORDER BY id LIMIT $4 FOR NO KEY UPDATE"
            }
            Self::Conversations => {
                "SELECT id FROM conversations WHERE tenant_id = $1 AND id > $3 AND greatest(updated_at, last_message_at) >= $2
                 ORDER BY id LIMIT $4"
            }
        };
        // The smallest moment that the database knows.
        let since = since.max(DateTime::from_timestamp(-200_000_000_000, 0).unwrap_or_default());
        let ids: Vec<Uuid> = sqlx::query_scalar(sql)
            .bind(tenant_id)
            .bind(since)
            .bind(after)
            .bind(CHUNK)
            .fetch_all(transaction.db())
            .await?;
        if matches!(self, Self::Conversations) {
            for hold in [
                "SELECT l.id FROM leads l WHERE l.tenant_id = $1
                   AND l.id IN (SELECT c.lead_id FROM conversations c WHERE c.tenant_id = $1 AND c.id = ANY($2))
                 ORDER BY l.id FOR NO KEY UPDATE",
                "SELECT id FROM conversations WHERE tenant_id = $1 AND id = ANY($2) ORDER BY id FOR UPDATE",
            ] {
                sqlx::query(hold).bind(tenant_id).bind(&ids).execute(transaction.db()).await?;
            }
        }
        Ok(ids)
    }
}

/// Adds to each cell what it lacks of the sum of its facts and messages, in one snapshot; gives how many lacked any.
/// `since`: only cells from this moment's day on.
async fn reconcile(
    db: &mut PgConnection,
    tenant_id: i32,
    since: Option<DateTime<Utc>>,
) -> Result<i64, sqlx::Error> {
    let mut differences = 0;
    for table in Table::ALL {
        let messages = messages(&format!("($2::timestamptz IS NULL OR m.created_at >= {})", table.start()));
        let sql = reconciliation(table, &messages);
        let found: i64 =
            sqlx::query_scalar(AssertSqlSafe(sql)).bind(tenant_id).bind(since).fetch_one(&mut *db).await?;
        differences += found;
    }
    Ok(differences)
}

/// `$1` tenant, `$2` since or null. `messages` gives `messages_counted`.
fn reconciliation(table: Table, messages: &str) -> String {
    let (name, column, start, holds) = (table.name(), table.column(), table.start(), table.holds());
    let first_cell = match table {
        Table::Hourly => "date_trunc('hour', $2::timestamptz, 'UTC')",
        Table::Daily => "($2::timestamptz AT TIME ZONE (SELECT time_zone FROM state))::date",
    };
    let expected = cells_of_all(table, "rows_of_facts");
    let buckets = |sign: &str| {
        let one: Vec<String> = (1..=8).map(|n| format!("sum({sign}buckets[{n}])::bigint")).collect();
        one.join(", ")
    };
    let lacking = format!(
        "SELECT seller_id, kind, cell, sum(count)::bigint AS count, sum(sum)::bigint AS sum, ARRAY[{}] AS buckets \
         FROM both_sides GROUP BY seller_id, kind, cell",
        buckets("")
    );
    let raise = raise(table, "SELECT * FROM lacking");
    format!(
        "WITH state AS (SELECT time_zone FROM metrics_state WHERE tenant_id = $1), {messages}, \
         rows_of_facts (seller_id, kind, value, occurred_at, sign) AS ( \
           SELECT seller_id, kind, value, occurred_at, 1 FROM seller_events \
           WHERE tenant_id = $1 AND ($2::timestamptz IS NULL OR occurred_at >= {start}) AND {holds} \
           UNION ALL \
           SELECT seller_id, kind, NULL, occurred_at, n FROM messages_counted), \
         both_sides AS ( \
           {expected} \
           UNION ALL \
           SELECT seller_id, metric, {column}, -count, -sum, (SELECT array_agg(-b ORDER BY n) FROM unnest(buckets) WITH ORDINALITY u (b, n)) \
           FROM {name} WHERE tenant_id = $1 AND ($2::timestamptz IS NULL OR {column} >= {first_cell})), \
         lacking AS ({lacking} HAVING sum(count) <> 0 OR sum(sum) <> 0 OR ARRAY[{buckets}] <> '{{0,0,0,0,0,0,0,0}}'), \
         raised AS ({raise}) \
         SELECT count(*) FROM lacking",
        buckets = buckets("")
    )
}

/// Makes facts and rollups of a tenant that has none and that nobody else writes, at once; for the seed. Asks for no
/// index.
///
/// # Errors
/// When the database did not take it.
pub(crate) async fn fill(db: &mut PgConnection, tenant_id: i32) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO metrics_state (tenant_id, metrics_version, time_zone) SELECT id, $2, time_zone FROM tenants WHERE id = $1
         ON CONFLICT (tenant_id) DO UPDATE SET metrics_version = EXCLUDED.metrics_version",
    )
    .bind(tenant_id)
    .bind(VERSION)
    .execute(&mut *db)
    .await?;
    let facts = facts(Of::All);
    sqlx::query(AssertSqlSafe(format!(
        "WITH {facts} \
         INSERT INTO seller_events (tenant_id, seller_id, kind, natural_key, lead_id, conversation_id, value, occurred_at) \
         SELECT $1, seller_id, kind, natural_key, lead_id, conversation_id, value, occurred_at FROM facts \
         ORDER BY occurred_at"
    )))
    .bind(tenant_id)
    .execute(&mut *db)
    .await?;
    // Once for both tables of rollups.
    let messages = messages("true");
    sqlx::query(AssertSqlSafe(format!(
        "CREATE TEMPORARY TABLE messages_counted ON COMMIT DROP AS WITH {messages} SELECT * FROM messages_counted"
    ).replace("$1", &tenant_id.to_string())))
    .execute(&mut *db)
    .await?;
    for table in Table::ALL {
        let sums = raise(table, &cells_of_all(table, "rows_of_facts"));
        sqlx::query(AssertSqlSafe(format!(
            "WITH state AS (SELECT time_zone FROM metrics_state WHERE tenant_id = $1), \
             rows_of_facts (seller_id, kind, value, occurred_at, sign) AS ( \
               SELECT seller_id, kind, value, occurred_at, 1 FROM seller_events WHERE tenant_id = $1 AND {} \
               UNION ALL \
               SELECT seller_id, kind, NULL, occurred_at, n FROM messages_counted) \
             {sums}",
            table.holds()
        )))
        .bind(tenant_id)
        .execute(&mut *db)
        .await?;
    }
    sqlx::query("DROP TABLE pg_temp.messages_counted").execute(&mut *db).await?;
    Ok(())
}
