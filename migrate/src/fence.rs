//! Raises the fence before anything is looked at: from then on no older run changes the database, also one whose
//! transaction is still to begin. Changes nothing else.

use std::time::{Duration, Instant};

use sqlx::Connection;
use sqlx::postgres::PgConnection;

use crate::database::Database;
use crate::error::{Error, doing, silent};
use crate::events::{Backend, Silent};
use crate::history::{History, bootstrap};
use crate::lock;

/// A few statements on a table of one row.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a change in hand is waited for: its row is its own until it commits.
const BUSY_PATIENCE: Duration = Duration::from_secs(2);
const BUSY_PAUSE: Duration = Duration::from_millis(200);

/// What became of the fence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fenced {
    /// No run with a smaller token changes this database any more.
    Raised,
    /// Nobody ever migrated this database: there is no fence to raise.
    NeverMigrated,
    /// A change is in hand right now; it may be that of an older run.
    Busy {
        /// The session that holds the migration lock.
        holder: Option<Backend>,
    },
}

/// Raises the fence to `token` where there is one.
///
/// # Errors
/// [`Error::FenceLost`]: a newer run was here. Else the database cannot be reached or does not answer.
pub async fn raise_fence(database: &Database, token: i64) -> Result<Fenced, Error> {
    on(database, async |conn| {
        if History::read(conn).await?.fence.is_none() {
            return Ok(Fenced::NeverMigrated);
        }
        raise(conn, token).await
    })
    .await
}

/// Makes the history where there is none, so that even the first migration meets a fence, and raises it.
///
/// # Errors
/// As [`raise_fence`].
pub async fn make_fence(database: &Database, token: i64) -> Result<Fenced, Error> {
    on(database, async |conn| {
        if History::read(conn).await?.fence.is_none() {
            match lock::take(conn, BUSY_PATIENCE, &Silent).await {
                Ok(()) => {}
                Err(Error::LockHeld { holder, .. }) => return Ok(Fenced::Busy { holder }),
                Err(error) => return Err(error),
            }
            // Somebody may have made it while the lock was waited for.
            let made = match History::read(conn).await?.fence {
                None => bootstrap(conn).await,
                Some(_) => Ok(()),
            };
            lock::release(conn).await;
            made?;
        }
        raise(conn, token).await
    })
    .await
}

async fn on(
    database: &Database,
    work: impl AsyncFnOnce(&mut PgConnection) -> Result<Fenced, Error>,
) -> Result<Fenced, Error> {
    let mut conn = database.connect().await?;
    let done = tokio::time::timeout(ANSWER_TIMEOUT + BUSY_PATIENCE, work(&mut conn)).await;
    drop(tokio::time::timeout(Duration::from_secs(1), conn.close()).await);
    done.unwrap_or_else(|_| Err(silent("raise the fence")))
}

async fn raise(conn: &mut PgConnection, token: i64) -> Result<Fenced, Error> {
    let begun = Instant::now();
    loop {
        let raised = sqlx::query("UPDATE crmctl.fence SET token = $1 WHERE token < $1")
            .bind(token)
            .execute(&mut *conn)
            .await;
        match raised {
            Ok(_) => break,
            Err(error) if !is_busy(&error) => return Err(doing("raise the fence")(error)),
            Err(_) if begun.elapsed() >= BUSY_PATIENCE => {
                return Ok(Fenced::Busy { holder: lock::holder(conn).await? });
            }
            Err(_) => tokio::time::sleep(BUSY_PAUSE).await,
        }
    }
    match History::read(conn).await?.fence {
        Some(newest) if newest > token => Err(Error::FenceLost { token, newest }),
        _ => Ok(Fenced::Raised),
    }
}

/// Another transaction has set its token and is not over (`lock_not_available`).
fn is_busy(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).as_deref() == Some("55P03")
}
