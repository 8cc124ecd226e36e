//! One migration in one transaction: fence, statements, verification, history row. All of it or nothing.

use std::time::Instant;

use sqlx::Connection;
use sqlx::postgres::PgConnection;

use super::{Run, execute, verify};
use crate::error::{Error, committing, doing};
use crate::history;
use crate::objects::Picture;
use crate::set::Migration;
use crate::sql::Script;

/// One attempt. After an error nothing of it is left, and no lock either.
pub(super) async fn attempt(
    run: &mut Run<'_>,
    conn: &mut PgConnection,
    migration: &Migration,
) -> Result<(), Error> {
    let mut transaction = conn.begin().await.map_err(doing("begin a transaction"))?;
    let before = run.picture.take();
    match body(run, &mut transaction, migration, before).await {
        Ok(after) => {
            transaction.commit().await.map_err(committing("commit the migration"))?;
            run.picture = Some(after);
            Ok(())
        }
        Err(error) => {
            // The transaction is lost either way; the first error is the one that matters.
            let _ = transaction.rollback().await;
            Err(error)
        }
    }
}

async fn body(
    run: &Run<'_>,
    conn: &mut PgConnection,
    migration: &Migration,
    before: Option<Picture>,
) -> Result<Picture, Error> {
    let started = Instant::now();
    run.patience.set_local(conn).await?;
    let transaction = history::fence(conn, run.writer.token).await?;
    let before = match before {
        Some(picture) => picture,
        None => Picture::take(conn).await?,
    };
    history::started(conn, run.writer, migration).await?;
    for statement in &migration.up.statements {
        execute(conn, &migration.up, statement).await?;
    }
    still_in(conn, &transaction, &migration.up).await?;
    run.patience.set_local(conn).await?;
    verified(conn, &migration.verify).await?;
    let after = Picture::take(conn).await?;
    history::touched(conn, migration.version, &before.touched(&after)).await?;
    let elapsed = i64::try_from(started.elapsed().as_nanos()).unwrap_or(i64::MAX);
    history::finish(conn, run.writer, migration, elapsed).await?;
    Ok(after)
}

/// Takes the role back that a file may have set, and makes sure that we are where we were: a file that
/// ended the transaction would leave half of itself behind.
pub(crate) async fn still_in(
    conn: &mut PgConnection,
    transaction: &str,
    script: &Script,
) -> Result<(), Error> {
    sqlx::raw_sql("RESET SESSION AUTHORIZATION; RESET ROLE; SET LOCAL search_path = public, pg_temp; SET LOCAL row_security = off")
        .execute(&mut *conn)
        .await
        .map_err(doing("take back the role of the session"))?;
    let now: Option<String> = sqlx::query_scalar("SELECT pg_current_xact_id_if_assigned()::text")
        .fetch_one(conn)
        .await
        .map_err(doing("ask for the transaction in progress"))?;
    if now.as_deref() == Some(transaction) {
        return Ok(());
    }
    Err(Error::TransactionEnded { file: script.file.clone() })
}

/// Verifies behind a savepoint, so that nothing of it is ever committed.
async fn verified(conn: &mut PgConnection, script: &Script) -> Result<(), Error> {
    sqlx::raw_sql("SAVEPOINT crmctl_verify").execute(&mut *conn).await.map_err(doing("set a savepoint"))?;
    verify::check(conn, script).await?;
    sqlx::raw_sql("ROLLBACK TO SAVEPOINT crmctl_verify; RELEASE SAVEPOINT crmctl_verify")
        .execute(conn)
        .await
        .map_err(doing("undo the verification"))?;
    Ok(())
}
