//! A working session: connected, alone under the migration lock, watched. It always gives the lock back.

use std::time::Duration;

use sqlx::Connection;
use sqlx::postgres::PgConnection;

use crate::database::Database;
use crate::error::{Error, doing, silent};
use crate::events::Observer;
use crate::lock;
use crate::retry::Patience;

/// A server that does not answer notices by itself that we are gone, and frees the lock.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Who is responsible for a change, as the history records it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The run.
    pub run: String,
    /// The person or service that started it.
    pub actor: String,
    /// The machine it was started on.
    pub host: String,
}

/// A session that holds the migration lock.
pub(crate) struct Session {
    pub(crate) conn: PgConnection,
    pub(crate) pid: i32,
}

impl Session {
    pub(crate) async fn open(
        database: &Database,
        patience: &Patience,
        observer: &dyn Observer,
    ) -> Result<Self, Error> {
        let mut conn = database.connect().await?;
        let locked = async {
            let pid = sqlx::query_scalar("SELECT pg_backend_pid()")
                .fetch_one(&mut conn)
                .await
                .map_err(doing("ask for the session's number"))?;
            lock::take(&mut conn, patience.migration_lock, observer).await?;
            Ok(pid)
        };
        // Nobody watches the server yet.
        let deadline = patience.migration_lock + patience.silence;
        let pid = tokio::time::timeout(deadline, locked)
            .await
            .unwrap_or_else(|_| Err(silent("take the migration lock")))?;
        Ok(Self { conn, pid })
    }

    /// Gives the lock back and leaves.
    pub(crate) async fn close(mut self) {
        let leave = async {
            lock::release(&mut self.conn).await;
            self.conn.close().await
        };
        match tokio::time::timeout(LEAVE_TIMEOUT, leave).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the session did not close in order"),
            Err(_) => tracing::debug!("the server did not answer when the session closed"),
        }
    }
}

/// Takes back what a file set for the rest of the session, so that it does not reach the next one.
pub(crate) async fn reset(conn: &mut PgConnection) -> Result<(), Error> {
    sqlx::raw_sql("RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL")
        .execute(conn)
        .await
        .map_err(doing("reset the session's settings"))?;
    Ok(())
}
