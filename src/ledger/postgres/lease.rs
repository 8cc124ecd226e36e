//! The row that says who holds an environment's lease. Each change of it is one statement, and only the server's clock
//! decides whether a lease has run out.

use phases::engine::ledger::{Claim, Lease};
use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};

use super::holder::HolderProcess;
use super::journal::Writer;
use crate::supervisor::process::ProcessIdentity;

/// What the row says, as every question here reads it. Seconds of a lease: docs of `Ledger`, 30 from the last renewal.
const COLUMNS: &str = "token, holder, run, claim, boot, pid_namespace, pid, started, \
    to_char(since, 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') AS since, \
    to_char(expires_at, 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') AS expires_at, \
    expires_at <= clock_timestamp() AS expired";

/// Who holds the lease, or held it last without giving it back.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) lease: Lease,
    pub(super) claim: String,
    process: Option<HolderProcess>,
}

impl Held {
    /// Of a process of this machine that is over.
    pub(super) fn is_left_by_the_dead(&self) -> bool {
        self.process.as_ref().is_some_and(HolderProcess::is_dead)
    }

    /// As others see it.
    pub(super) fn seen(self) -> Lease {
        let expired = self.lease.expired || self.is_left_by_the_dead();
        Lease { expired, ..self.lease }
    }

    fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        let process = match (
            row.try_get::<Option<String>, _>("boot")?,
            row.try_get::<Option<String>, _>("pid_namespace")?,
            row.try_get::<Option<i32>, _>("pid")?,
            row.try_get::<Option<i64>, _>("started")?,
        ) {
            (Some(boot), Some(pid_namespace), Some(pid), Some(started)) => {
                let identity = ProcessIdentity { pid, started: started.cast_unsigned(), boot };
                Some(HolderProcess { identity, pid_namespace })
            }
            _ => None,
        };
        let lease = Lease {
            holder: row.try_get("holder")?,
            run: row.try_get("run")?,
            token: row.try_get::<i64, _>("token")?.cast_unsigned(),
            since: row.try_get("since")?,
            expires_at: row.try_get("expires_at")?,
            expired: row.try_get("expired")?,
        };
        Ok(Self { lease, claim: row.try_get("claim")?, process })
    }
}

/// Somebody who asks for the lease.
pub(super) struct Applicant<'a> {
    pub(super) environment: &'a str,
    pub(super) claim: &'a Claim,
    /// Random name of this taking.
    pub(super) name: &'a str,
    pub(super) process: Option<&'a HolderProcess>,
    /// The lease gets a higher token.
    pub(super) above: u64,
}

/// Takes the lease when it is free, has run out, or is still the one with token `dead`.
pub(super) async fn take(
    session: &mut PgConnection,
    applicant: &Applicant<'_>,
    dead: Option<u64>,
) -> Result<Option<Held>, sqlx::Error> {
    sqlx::query("INSERT INTO ledger.lease (environment) VALUES ($1) ON CONFLICT DO NOTHING")
        .bind(applicant.environment)
        .execute(&mut *session)
        .await?;
    let statement = format!(
        "UPDATE ledger.lease SET token = greatest(token, $2) + 1, holder = $3, run = $4, verb = $5, claim = $6, \
         boot = $7, pid_namespace = $8, pid = $9, started = $10, since = clock_timestamp(), \
         expires_at = clock_timestamp() + interval '30 seconds' \
         WHERE environment = $1 AND (expires_at <= clock_timestamp() OR token = $11) RETURNING {COLUMNS}"
    );
    let process = applicant.process;
    let row = sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(applicant.environment)
        .bind(applicant.above.min(i64::MAX as u64 - 1).cast_signed())
        .bind(&applicant.claim.holder)
        .bind(&applicant.claim.run)
        .bind(&applicant.claim.verb)
        .bind(applicant.name)
        .bind(process.map(|process| process.identity.boot.as_str()))
        .bind(process.map(|process| process.pid_namespace.as_str()))
        .bind(process.map(|process| process.identity.pid))
        .bind(process.map(|process| process.identity.started.cast_signed()))
        .bind(dead.map(u64::cast_signed))
        .fetch_optional(session)
        .await?;
    row.as_ref().map(Held::read).transpose()
}

/// Who holds it, whether or not it has run out; nobody when it was given back.
pub(super) async fn look(session: &mut PgConnection, environment: &str) -> Result<Option<Held>, sqlx::Error> {
    let statement =
        format!("SELECT {COLUMNS} FROM ledger.lease WHERE environment = $1 AND holder IS NOT NULL");
    let asked = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(environment);
    asked.fetch_optional(session).await?.as_ref().map(Held::read).transpose()
}

/// Extends the lease of one taking, unless it has run out. Whether it did.
pub(super) async fn renew(session: &mut PgConnection, holder: &Writer<'_>) -> Result<bool, sqlx::Error> {
    let renewed = sqlx::query(
        "UPDATE ledger.lease SET expires_at = clock_timestamp() + interval '30 seconds' \
         WHERE environment = $1 AND token = $2 AND claim = $3 AND expires_at > clock_timestamp()",
    );
    let renewed = renewed.bind(holder.environment).bind(holder.token.cast_signed()).bind(holder.claim);
    Ok(renewed.execute(session).await?.rows_affected() == 1)
}

/// Gives back what one taking got. One that is lost is left alone.
pub(super) async fn release(session: &mut PgConnection, holder: &Writer<'_>) -> Result<(), sqlx::Error> {
    let released = sqlx::query(
        "UPDATE ledger.lease SET holder = NULL, claim = NULL, expires_at = '-infinity' \
         WHERE environment = $1 AND token = $2 AND claim = $3",
    );
    released
        .bind(holder.environment)
        .bind(holder.token.cast_signed())
        .bind(holder.claim)
        .execute(session)
        .await
        .map(|_| ())
}

/// Takes it away from the run that has it under this token, if one has.
pub(super) async fn revoke(
    session: &mut PgConnection,
    environment: &str,
    lease: &Lease,
) -> Result<(), sqlx::Error> {
    let revoked = sqlx::query(
        "UPDATE ledger.lease SET holder = NULL, claim = NULL, expires_at = '-infinity' \
         WHERE environment = $1 AND token = $2 AND run = $3 AND holder IS NOT NULL",
    );
    let revoked = revoked.bind(environment).bind(lease.token.cast_signed()).bind(&lease.run);
    revoked.execute(session).await.map(|_| ())
}
