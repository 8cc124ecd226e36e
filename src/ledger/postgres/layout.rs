//! The tables of the ledger: whether they are there, in which format, and how they are made. Knows no row of them.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection};

/// Newest format this crmctl knows.
pub(super) const KNOWN: u32 = 1;

/// Key of the lock under which one of several makes the tables.
const LOCK: i64 = 0x6372_6d63_746c;

/// The format in this database; `None` before anybody has made the tables.
pub(super) async fn format(session: &mut PgConnection) -> Result<Option<u32>, sqlx::Error> {
    // `to_regclass` would answer from a cache that waiting for an advisory lock does not bring up to date.
    let there: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = 'ledger' AND c.relname = 'layout')",
    )
    .fetch_one(&mut *session)
    .await?;
    if !there {
        return Ok(None);
    }
    let format: i32 = sqlx::query_scalar("SELECT format FROM ledger.layout").fetch_one(session).await?;
    Ok(Some(u32::try_from(format).unwrap_or(u32::MAX)))
}

/// Whether this is an application's database, which may be restored from a backup and would take the ledger with it.
pub(super) async fn is_applications(session: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT to_regclass('public._sqlx_migrations') IS NOT NULL").fetch_one(session).await
}

/// Makes the tables unless somebody else just has.
pub(super) async fn make(session: &mut PgConnection) -> Result<(), sqlx::Error> {
    let mut transaction = session.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *transaction).await?;
    if format(&mut transaction).await?.is_none() {
        sqlx::raw_sql(AssertSqlSafe(include_str!("layout.sql"))).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}
