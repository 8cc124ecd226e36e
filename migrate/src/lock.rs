//! The advisory lock that keeps runners apart: sqlx's own, so that an application which migrates at start is
//! kept out as well, polled, because a queued waiter deadlocks with `CREATE INDEX CONCURRENTLY`.

use std::time::{Duration, Instant};

use rand::Rng;
use sqlx::postgres::PgConnection;

use crate::error::{Error, doing};
use crate::events::{Backend, Event, Observer};

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The key of the lock of `database`. Source: `generate_lock_id` of sqlx-postgres 0.9.
pub(crate) fn key(database: &str) -> i64 {
    const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
    0x3d32_ad9e * i64::from(CRC.checksum(database.as_bytes()))
}

/// Takes the lock, waiting up to `deadline` and telling who holds it.
pub(crate) async fn take(
    conn: &mut PgConnection,
    deadline: Duration,
    observer: &dyn Observer,
) -> Result<(), Error> {
    let started = Instant::now();
    let database = name(conn).await?;
    let mut pause = FIRST_PAUSE;
    loop {
        let taken: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
            .bind(key(&database))
            .fetch_one(&mut *conn)
            .await
            .map_err(doing("take the migration lock"))?;
        let waited_ms = millis(started.elapsed());
        if taken {
            observer.observe(Event::LockTaken { waited_ms });
            return Ok(());
        }
        let holder = holder_of(conn, key(&database)).await?;
        let left = deadline.saturating_sub(started.elapsed());
        if left.is_zero() {
            return Err(Error::LockHeld { database, holder });
        }
        observer.observe(Event::LockWaiting { holder, waited_ms });
        tokio::time::sleep(jittered(pause).min(left)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Gives the lock back. A session that broke has lost it already.
pub(crate) async fn release(conn: &mut PgConnection) {
    let freed = sqlx::query("SELECT pg_advisory_unlock_all()").execute(conn).await;
    if let Err(error) = freed {
        tracing::debug!(%error, "the session that held the migration lock is gone");
    }
}

/// Who holds it.
pub(crate) async fn holder(conn: &mut PgConnection) -> Result<Option<Backend>, Error> {
    let database = name(conn).await?;
    holder_of(conn, key(&database)).await
}

async fn name(conn: &mut PgConnection) -> Result<String, Error> {
    sqlx::query_scalar("SELECT current_database()::text")
        .fetch_one(conn)
        .await
        .map_err(doing("ask for the database's name"))
}

async fn holder_of(conn: &mut PgConnection, key: i64) -> Result<Option<Backend>, Error> {
    sqlx::query_as(
        r#"SELECT l.pid, coalesce(a.application_name, '') AS application, a.usename::text AS "user", a.state,
                  a.backend_start AS since
           FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)
           WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
             AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
             AND l.classid::bigint = ($1::bigint >> 32) & 4294967295
             AND l.objid::bigint = $1::bigint & 4294967295"#,
    )
    .bind(key)
    .fetch_optional(conn)
    .await
    .map_err(doing("ask who holds the migration lock"))
}

/// `pause`, give or take half.
pub(crate) fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::rng().random_range(0.5..1.5))
}

/// Whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
