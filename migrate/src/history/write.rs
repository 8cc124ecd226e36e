//! Writes to the history. Each function runs in the transaction its caller holds.

use sqlx::postgres::PgConnection;

use super::{Row, Step};
use crate::error::{Error, doing};
use crate::objects::Touched;
use crate::session::Author;
use crate::set::{Digest, Migration, Stage};
use crate::sql::Statement;

/// Who writes, and with which token.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writer<'a> {
    pub(crate) author: &'a Author,
    pub(crate) token: i64,
}

/// Creates what the history needs.
pub(crate) async fn bootstrap(conn: &mut PgConnection) -> Result<(), Error> {
    sqlx::raw_sql(concat!("BEGIN;", include_str!("schema.sql"), "COMMIT;"))
        .execute(conn)
        .await
        .map_err(doing("create the history in schema `crmctl`"))?;
    Ok(())
}

/// Sets our token in the transaction in progress, and answers with the transaction's id.
pub(crate) async fn fence(conn: &mut PgConnection, token: i64) -> Result<String, Error> {
    let transaction: Option<String> = sqlx::query_scalar(
        "UPDATE crmctl.fence SET token = $1 WHERE token <= $1 RETURNING pg_current_xact_id()::text",
    )
    .bind(token)
    .fetch_optional(&mut *conn)
    .await
    .map_err(doing("check the fence"))?;
    match transaction {
        Some(id) => Ok(id),
        None => Err(Error::FenceLost { token, newest: super::token(conn).await? }),
    }
}

/// Records a migration as begun: `success` stays false until [`finish`], which sqlx's runner calls dirty.
pub(crate) async fn started(
    conn: &mut PgConnection,
    writer: Writer<'_>,
    migration: &Migration,
) -> Result<(), Error> {
    write_row(conn, migration).await?;
    write_record(conn, writer, migration).await?;
    sqlx::query("DELETE FROM crmctl.migration_step WHERE version = $1")
        .bind(migration.version)
        .execute(&mut *conn)
        .await
        .map_err(doing("clear the step journal"))?;
    if migration.no_transaction {
        event(conn, writer, migration.version, "started", serde_json::json!({})).await?;
    }
    Ok(())
}

async fn write_row(conn: &mut PgConnection, migration: &Migration) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO public._sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES ($1, $2, false, $3, -1)",
    )
    .bind(migration.version)
    .bind(migration.name.replace('_', " "))
    .bind(&migration.checksum)
    .execute(conn)
    .await
    .map_err(doing("write `_sqlx_migrations`"))?;
    Ok(())
}

async fn write_record(
    conn: &mut PgConnection,
    writer: Writer<'_>,
    migration: &Migration,
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO crmctl.migration AS m (version, name, stage, checksum, down_sql, down_digest, verify_digest,
           irreversible, token, run, actor, host, started_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, clock_timestamp())
         ON CONFLICT (version) DO UPDATE SET (name, stage, checksum, down_sql, down_digest, verify_digest,
           irreversible, token, run, actor, host, started_at, created, altered, applied_at, reverted_at,
           reverted_run, reverted_by)
         = (excluded.name, excluded.stage, excluded.checksum, excluded.down_sql, excluded.down_digest,
           excluded.verify_digest, excluded.irreversible, excluded.token, excluded.run, excluded.actor,
           excluded.host, excluded.started_at, '{}', '{}', NULL, NULL, NULL, NULL)",
    )
    .bind(migration.version)
    .bind(&migration.name)
    .bind(stage(migration.stage))
    .bind(&migration.checksum)
    .bind(&migration.down.text)
    .bind(migration.down_digest.to_string())
    .bind(migration.verify_digest.to_string())
    .bind(&migration.irreversible)
    .bind(writer.token)
    .bind(&writer.author.run)
    .bind(&writer.author.actor)
    .bind(&writer.author.host)
    .execute(conn)
    .await
    .map_err(doing("write `crmctl.migration`"))?;
    Ok(())
}

/// Records a migration as applied and verified. The files may have been mended since a half-done start.
pub(crate) async fn finish(
    conn: &mut PgConnection,
    writer: Writer<'_>,
    migration: &Migration,
    elapsed_ns: i64,
) -> Result<(), Error> {
    sqlx::query(
        "UPDATE public._sqlx_migrations SET success = true, checksum = $2, execution_time = $3, installed_on = now()
         WHERE version = $1",
    )
    .bind(migration.version)
    .bind(&migration.checksum)
    .bind(elapsed_ns)
    .execute(&mut *conn)
    .await
    .map_err(doing("write `_sqlx_migrations`"))?;
    sqlx::query(
        "UPDATE crmctl.migration SET applied_at = clock_timestamp(), checksum = $2, down_sql = $3, down_digest = $4,
           verify_digest = $5, irreversible = $6, token = $7 WHERE version = $1",
    )
    .bind(migration.version)
    .bind(&migration.checksum)
    .bind(&migration.down.text)
    .bind(migration.down_digest.to_string())
    .bind(migration.verify_digest.to_string())
    .bind(&migration.irreversible)
    .bind(writer.token)
    .execute(&mut *conn)
    .await
    .map_err(doing("write `crmctl.migration`"))?;
    let detail = serde_json::json!({
        "checksum": migration.checksum_hex(),
        "down": migration.down_digest,
        "verify": migration.verify_digest,
    });
    event(conn, writer, migration.version, "applied", detail).await
}

/// Adds what a migration, or a step of one, did to the catalog.
pub(crate) async fn touched(conn: &mut PgConnection, version: i64, touched: &Touched) -> Result<(), Error> {
    sqlx::query(
        "UPDATE crmctl.migration SET created = created || $2, altered = altered || $3 WHERE version = $1",
    )
    .bind(version)
    .bind(&touched.created)
    .bind(&touched.altered)
    .execute(conn)
    .await
    .map_err(doing("record what the migration changed"))?;
    Ok(())
}

/// Takes over a migration that another tool applied from this very file: it gets its way back.
pub(crate) async fn adopt(
    conn: &mut PgConnection,
    writer: Writer<'_>,
    migration: &Migration,
    row: &Row,
) -> Result<(), Error> {
    write_record(conn, writer, migration).await?;
    sqlx::query("UPDATE crmctl.migration SET started_at = $2, applied_at = $2 WHERE version = $1")
        .bind(migration.version)
        .bind(row.installed_on)
        .execute(&mut *conn)
        .await
        .map_err(doing("write `crmctl.migration`"))?;
    let detail = serde_json::json!({ "checksum": migration.checksum_hex(), "down": migration.down_digest });
    event(conn, writer, migration.version, "adopted", detail).await
}

/// Records a migration as reverted.
pub(crate) async fn reverted(
    conn: &mut PgConnection,
    writer: Writer<'_>,
    version: i64,
    detail: serde_json::Value,
) -> Result<(), Error> {
    sqlx::query("DELETE FROM public._sqlx_migrations WHERE version = $1")
        .bind(version)
        .execute(&mut *conn)
        .await
        .map_err(doing("write `_sqlx_migrations`"))?;
    sqlx::query(
        "UPDATE crmctl.migration SET reverted_at = clock_timestamp(), reverted_run = $2, reverted_by = $3
         WHERE version = $1",
    )
    .bind(version)
    .bind(&writer.author.run)
    .bind(&writer.author.actor)
    .execute(&mut *conn)
    .await
    .map_err(doing("write `crmctl.migration`"))?;
    sqlx::query("DELETE FROM crmctl.migration_step WHERE version = $1")
        .bind(version)
        .execute(&mut *conn)
        .await
        .map_err(doing("clear the step journal"))?;
    event(conn, writer, version, "reverted", detail).await
}

/// Journals a step as begun.
pub(crate) async fn start_step(
    conn: &mut PgConnection,
    version: i64,
    direction: &str,
    ordinal: i32,
    statement: &Statement,
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO crmctl.migration_step (version, direction, ordinal, digest) VALUES ($1, $2, $3, $4)
         ON CONFLICT (version, direction, ordinal)
         DO UPDATE SET digest = excluded.digest, started_at = clock_timestamp(), finished_at = NULL",
    )
    .bind(version)
    .bind(direction)
    .bind(ordinal)
    .bind(Digest::of(&statement.sql).to_string())
    .execute(conn)
    .await
    .map_err(doing("write the step journal"))?;
    Ok(())
}

/// Journals a step as done.
pub(crate) async fn finish_step(
    conn: &mut PgConnection,
    version: i64,
    direction: &str,
    ordinal: i32,
) -> Result<(), Error> {
    sqlx::query(
        "UPDATE crmctl.migration_step SET finished_at = clock_timestamp()
         WHERE version = $1 AND direction = $2 AND ordinal = $3",
    )
    .bind(version)
    .bind(direction)
    .bind(ordinal)
    .execute(conn)
    .await
    .map_err(doing("write the step journal"))?;
    Ok(())
}

impl Step {
    /// The step is this statement, unchanged.
    pub(crate) fn is(&self, statement: &Statement) -> bool {
        self.digest == Digest::of(&statement.sql).to_string()
    }
}

async fn event(
    conn: &mut PgConnection,
    writer: Writer<'_>,
    version: i64,
    kind: &str,
    detail: serde_json::Value,
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO crmctl.migration_event (version, kind, token, run, actor, host, detail)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(version)
    .bind(kind)
    .bind(writer.token)
    .bind(&writer.author.run)
    .bind(&writer.author.actor)
    .bind(&writer.author.host)
    .bind(detail)
    .execute(conn)
    .await
    .map_err(doing("append to `crmctl.migration_event`"))?;
    Ok(())
}

fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Expand => "expand",
        Stage::Backfill => "backfill",
        Stage::Contract => "contract",
    }
}
