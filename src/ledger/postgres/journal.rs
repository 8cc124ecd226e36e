//! The rows of an environment's journal. A line comes in only under the lease and only after the line that it names as
//! its predecessor; both are looked at by the statement that writes it.

use std::collections::HashSet;

use phases::engine::journal::chain::{self, GENESIS, Tail};
use phases::engine::journal::{Draft, Record};
use sqlx::postgres::PgConnection;
use sqlx::{Connection, Row as _};

/// One taking of the lease.
pub(super) struct Writer<'a> {
    pub(super) environment: &'a str,
    pub(super) token: u64,
    pub(super) claim: &'a str,
}

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// It is in.
    Yes,
    /// The lease is not the writer's any more.
    NotHeld,
    /// Another line stands where this one was to go.
    Behind,
}

/// Writes the line that follows `tail`.
///
/// The lease's row is locked until the line is in, so nobody can take the lease between the look at it and the line;
/// two lines for one place meet at the primary key.
pub(super) async fn write(
    session: &mut PgConnection,
    writer: &Writer<'_>,
    tail: &Tail,
    line: &str,
) -> Result<Written, sqlx::Error> {
    let asked = sqlx::query(
        "WITH held AS MATERIALIZED ( \
             SELECT 1 FROM ledger.lease \
             WHERE environment = $1 AND token = $2 AND claim = $3 AND expires_at > clock_timestamp() FOR UPDATE \
         ), last AS MATERIALIZED ( \
             SELECT seq, encode(sha256(convert_to(line, 'UTF8')), 'hex') AS hash FROM ledger.record \
             WHERE environment = $1 ORDER BY seq DESC LIMIT 1 \
         ), written AS ( \
             INSERT INTO ledger.record (environment, seq, line) SELECT $1, $4 + 1, $6 FROM held \
             WHERE coalesce((SELECT seq FROM last), 0) = $4 AND coalesce((SELECT hash FROM last), $7) = $5 \
             RETURNING 1 \
         ) SELECT EXISTS (SELECT FROM held), EXISTS (SELECT FROM written)",
    );
    let asked = asked
        .bind(writer.environment)
        .bind(writer.token.cast_signed())
        .bind(writer.claim)
        .bind(tail.seq.cast_signed())
        .bind(&tail.hash)
        .bind(line)
        .bind(GENESIS)
        .fetch_one(session)
        .await;
    match asked {
        Ok(row) => Ok(match (row.try_get(0)?, row.try_get(1)?) {
            (false, _) => Written::NotHeld,
            (true, true) => Written::Yes,
            (true, false) => Written::Behind,
        }),
        Err(error) if super::server::code(&error).as_deref() == Some("23505") => Ok(Written::Behind),
        Err(error) => Err(error),
    }
}

/// The line at one place.
pub(super) async fn line(
    session: &mut PgConnection,
    environment: &str,
    seq: u64,
) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT line FROM ledger.record WHERE environment = $1 AND seq = $2")
        .bind(environment)
        .bind(seq.cast_signed())
        .fetch_optional(session)
        .await
}

/// Where the next line goes.
pub(super) async fn tail(session: &mut PgConnection, environment: &str) -> Result<Tail, sqlx::Error> {
    let last: Option<(i64, String)> = sqlx::query_as(
        "SELECT seq, line FROM ledger.record WHERE environment = $1 ORDER BY seq DESC LIMIT 1",
    )
    .bind(environment)
    .fetch_optional(session)
    .await?;
    let of = |(seq, line): (i64, String)| Tail { seq: seq.cast_unsigned(), hash: chain::hash(&line) };
    Ok(last.map_or_else(Tail::default, of))
}

/// The whole journal as lines, not verified.
pub(super) async fn read(session: &mut PgConnection, environment: &str) -> Result<Vec<u8>, sqlx::Error> {
    let lines: Vec<String> =
        sqlx::query_scalar("SELECT line FROM ledger.record WHERE environment = $1 ORDER BY seq")
            .bind(environment)
            .fetch_all(session)
            .await?;
    Ok(lines.into_iter().flat_map(|line| (line + "\n").into_bytes()).collect())
}

/// A record that was kept elsewhere while the server was away.
#[derive(Debug, Clone)]
pub(crate) struct Spooled {
    /// SHA-256 of its line there: its name for ever.
    pub(crate) hash: String,
    /// What it says.
    pub(crate) record: Record,
}

/// Hashes of the lines that were kept elsewhere and are in.
pub(super) async fn taken_in(
    session: &mut PgConnection,
    environment: &str,
) -> Result<HashSet<String>, sqlx::Error> {
    let asked = sqlx::query_scalar(
        "SELECT spooled FROM ledger.record WHERE environment = $1 AND spooled IS NOT NULL",
    );
    Ok(asked.bind(environment).fetch_all(session).await?.into_iter().collect())
}

/// Takes all of them in behind what is there, or none. Those that are in already are left alone. How many came in;
/// `None` when the lease is not the writer's.
pub(super) async fn take_in(
    session: &mut PgConnection,
    writer: &Writer<'_>,
    spooled: &[Spooled],
) -> Result<Option<(usize, Tail)>, sqlx::Error> {
    let mut transaction = session.begin().await?;
    let held = sqlx::query(
        "SELECT 1 FROM ledger.lease \
         WHERE environment = $1 AND token = $2 AND claim = $3 AND expires_at > clock_timestamp() FOR UPDATE",
    );
    let held = held.bind(writer.environment).bind(writer.token.cast_signed()).bind(writer.claim);
    if held.fetch_optional(&mut *transaction).await?.is_none() {
        return Ok(None);
    }
    let present = taken_in(&mut transaction, writer.environment).await?;
    let mut tail = tail(&mut transaction, writer.environment).await?;
    let missing = spooled.iter().filter(|spooled| !present.contains(&spooled.hash));
    let mut count = 0;
    for Spooled { hash, record } in missing {
        let (_, line, next) = chain::seal(draft_of(record), record.token, &tail);
        sqlx::query("INSERT INTO ledger.record (environment, seq, line, spooled) VALUES ($1, $2, $3, $4)")
            .bind(writer.environment)
            .bind(next.seq.cast_signed())
            .bind(line.trim_end_matches('\n'))
            .bind(hash)
            .execute(&mut *transaction)
            .await?;
        (tail, count) = (next, count + 1);
    }
    transaction.commit().await?;
    Ok(Some((count, tail)))
}

fn draft_of(record: &Record) -> Draft {
    let Record { run, step, attempt, kind, observed, desired, evidence, actor, at, .. } = record.clone();
    Draft { run, step, attempt, kind, observed, desired, evidence, actor, at }
}
