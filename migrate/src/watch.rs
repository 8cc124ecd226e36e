//! The watchdog: on a session of its own it asks whether the working one is still there, and, while that waits
//! for a lock, who is in the way. After a lock timeout nobody could tell any more, and of a host that has
//! vanished the working session hears nothing. It never ends a session.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnection;

use crate::database::Database;
use crate::error::{Error, doing};
use crate::events::{Backend, Event, Observer};
use crate::lock::millis;

const SAMPLE_EVERY: Duration = Duration::from_millis(100);
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// An unchanged picture is told again after this many samples.
const REPEAT_AFTER: u32 = 50;

/// Who was seen in the way of the attempt in hand.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<Vec<Backend>>);

impl Seen {
    /// The blockers of the last sample that had any, since [`Self::forget`].
    pub(crate) fn blockers(&self) -> Vec<Backend> {
        self.0.lock().map(|seen| seen.clone()).unwrap_or_default()
    }

    /// A new attempt begins.
    pub(crate) fn forget(&self) {
        self.remember(&[]);
    }

    fn remember(&self, blockers: &[Backend]) {
        if let Ok(mut seen) = self.0.lock() {
            *seen = blockers.to_vec();
        }
    }
}

/// Watches the session `pid` and tells who is in its way. Ends when the server was silent for `silence`, or
/// answers and knows that session no more: whoever works on it would wait for ever. Meant to be dropped when
/// the work beside it is done.
pub(crate) async fn over(
    pid: i32,
    database: &Database,
    silence: Duration,
    seen: &Seen,
    observer: &dyn Observer,
) -> Error {
    let mut conn: Option<PgConnection> = None;
    let mut told = Told::default();
    let (mut answered, mut there) = (Instant::now(), Instant::now());
    loop {
        tokio::time::sleep(SAMPLE_EVERY).await;
        // A session of ours may be cut off while the server is well: the next look takes a new one.
        match tokio::time::timeout(silence / 3, sample(pid, database, &mut conn)).await {
            Ok(Ok(Look::There(rows))) => {
                (answered, there) = (Instant::now(), Instant::now());
                told.update(rows, seen, observer);
            }
            Ok(Ok(Look::Gone)) => answered = Instant::now(),
            Ok(Err(error)) => {
                if !error.is_silence() {
                    // It refuses us (too many sessions, say), and so it lives.
                    (answered, there) = (Instant::now(), Instant::now());
                }
                tracing::debug!(%error, "the watchdog lost its session");
                conn = None;
                tokio::time::sleep(AFTER_FAILURE.min(silence / 3)).await;
            }
            Err(_) => conn = None,
        }
        if answered.elapsed() >= silence {
            return in_doubt(format!("reach the server for {} ms", millis(answered.elapsed())));
        }
        if answered > there && there.elapsed() >= silence {
            return in_doubt("hear the end of a statement: the server knows the session no more".to_owned());
        }
    }
}

fn in_doubt(doing: String) -> Error {
    Error::InDoubt { doing, source: sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()) }
}

/// What the observer knows already.
#[derive(Default)]
struct Told {
    pids: BTreeSet<i32>,
    samples: u32,
}

impl Told {
    fn update(&mut self, rows: Vec<Row>, seen: &Seen, observer: &dyn Observer) {
        self.samples += 1;
        if rows.is_empty() {
            return;
        }
        let pids: BTreeSet<i32> = rows.iter().map(|row| row.backend.pid).collect();
        let blockers: Vec<Backend> = rows.iter().map(|row| row.backend.clone()).collect();
        seen.remember(&blockers);
        if pids == self.pids && self.samples < REPEAT_AFTER {
            return;
        }
        let waiting_behind = rows.first().map_or(0, |row| row.waiting_behind);
        let age_ms = rows.iter().filter_map(|row| row.age).max_by(f64::total_cmp);
        *self = Self { pids, samples: 0 };
        observer.observe(Event::Blocked {
            blockers,
            age_ms: age_ms.map(|seconds| millis(Duration::from_secs_f64(seconds.max(0.0)))),
            waiting_behind,
        });
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    #[sqlx(flatten)]
    backend: Backend,
    age: Option<f64>,
    waiting_behind: i64,
}

/// What the server says of the session.
enum Look {
    /// It is there; with whoever is in its way.
    There(Vec<Row>),
    /// There is no such session.
    Gone,
}

/// `pg_blocking_pids` takes the lock manager's partition locks, so it is asked only while we wait.
async fn sample(pid: i32, database: &Database, conn: &mut Option<PgConnection>) -> Result<Look, Error> {
    if conn.is_none() {
        *conn = Some(database.connect_read_only().await?);
    }
    let conn = conn.as_mut().expect("opened just above");
    let waits: Option<bool> = sqlx::query_scalar(
        "SELECT coalesce(wait_event_type = 'Lock', false) FROM pg_stat_activity WHERE pid = $1",
    )
    .bind(pid)
    .fetch_optional(&mut *conn)
    .await
    .map_err(doing("look at our session"))?;
    match waits {
        None => Ok(Look::Gone),
        Some(false) => Ok(Look::There(Vec::new())),
        Some(true) => blockers(pid, conn).await.map(Look::There),
    }
}

async fn blockers(pid: i32, conn: &mut PgConnection) -> Result<Vec<Row>, Error> {
    sqlx::query_as(
        r#"SELECT b.pid, coalesce(a.application_name, '') AS application, a.usename::text AS "user", a.state,
                  a.xact_start AS since, extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS age,
                  (SELECT count(*) FROM pg_locks w WHERE NOT w.granted AND w.pid <> $1
                     AND $1 = ANY (pg_blocking_pids(w.pid))) AS waiting_behind
           FROM pg_stat_activity me
           CROSS JOIN LATERAL unnest(pg_blocking_pids(me.pid)) AS b(pid)
           LEFT JOIN pg_stat_activity a ON a.pid = b.pid
           WHERE me.pid = $1 AND me.wait_event_type = 'Lock'
           ORDER BY a.xact_start NULLS LAST, b.pid"#,
    )
    .bind(pid)
    .fetch_all(conn)
    .await
    .map_err(doing("ask who blocks us"))
}
