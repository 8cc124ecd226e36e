//! How the environment's database is reached and what stands in it. Starts nothing: that is
//! `effects::ensure_database`.

use std::str::FromStr;
use std::time::Duration;

use phases::observed::DatabaseState;
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};

use crate::environment::generated::GeneratedSecrets;
use crate::platform::process::postgres::PostgresState;
use crate::platform::process::postgres::provision::{APP, MIGRATOR};
use crate::site::Site;

/// Longest wait for a look.
const PATIENCE: Duration = Duration::from_secs(5);

/// Longest wait for a token: a rollback whose database hangs has to begin all the same.
const TOKEN_PATIENCE: Duration = Duration::from_secs(2);

/// Whether the database can be asked.
pub enum Reach {
    /// As the migrator, by this DSN.
    Dsn(SecretString),
    /// It was never made.
    Absent,
    /// It exists and does not answer.
    Down(String),
}

/// How the database is reached as the migrator.
pub fn reach(site: &Site) -> Reach {
    if !site.environment.database.embedded {
        return match migrator_dsn(site) {
            Ok(dsn) => Reach::Dsn(dsn),
            Err(reason) => Reach::Down(reason),
        };
    }
    match site.postgres().state() {
        Ok(PostgresState::Absent) => Reach::Absent,
        Ok(PostgresState::Stopped) => Reach::Down("its private PostgreSQL does not run".to_owned()),
        Ok(PostgresState::CutOff { .. }) => {
            Reach::Down("its private PostgreSQL has lost its socket".to_owned())
        }
        Ok(PostgresState::Running { .. }) => match migrator_dsn(site) {
            Ok(dsn) => Reach::Dsn(dsn),
            Err(reason) => Reach::Down(reason),
        },
        Err(error) => Reach::Down(crate::error::chain(&error)),
    }
}

/// DSN of role `crm_migrator`.
///
/// # Errors
/// Why there is none.
pub fn migrator_dsn(site: &Site) -> Result<SecretString, String> {
    role_dsn(site, MIGRATOR)
}

/// DSN of role `crm_app`, which the backend uses.
///
/// # Errors
/// Why there is none.
pub fn app_dsn(site: &Site) -> Result<SecretString, String> {
    role_dsn(site, APP)
}

fn role_dsn(site: &Site, role: &str) -> Result<SecretString, String> {
    let environment = &site.environment;
    if environment.database.embedded {
        let secrets = GeneratedSecrets::load(&site.state.secrets_file())
            .map_err(|error| error.to_string())?
            .ok_or_else(|| format!("`{}` is missing", site.state.secrets_file().display()))?;
        let password = if role == APP { &secrets.app_password } else { &secrets.migrator_password };
        let postgres = site.postgres();
        return postgres
            .dsn(role, password, &postgres.database_name())
            .map_err(|error| crate::error::chain(&error));
    }
    let database = &environment.database;
    let key = if role == APP { database.dsn_key.as_deref() } else { database.migrator_dsn_key.as_deref() };
    let key = key.ok_or("the environment file names no key for its DSN")?;
    environment.require_secrets().map_err(|error| error.message)?;
    environment.secrets.get(key).cloned().ok_or_else(|| format!("`{key}` is missing"))
}

/// What planning wants to know.
pub async fn state(site: &Site) -> DatabaseState {
    let dsn = match reach(site) {
        Reach::Dsn(dsn) => dsn,
        // A stopped private server is started by the run, like one that was never made.
        Reach::Absent => return DatabaseState::Absent,
        Reach::Down(_) if is_started_by_a_run(site) => return DatabaseState::Absent,
        Reach::Down(reason) => return DatabaseState::Unreachable { reason },
    };
    match tokio::time::timeout(PATIENCE, look(&dsn)).await {
        Ok(Ok((applied, seeded))) => DatabaseState::Ready { applied, seeded },
        // Roles or database are not there yet: the run makes them.
        Ok(Err(error)) if site.environment.database.embedded && is_missing(&error) => DatabaseState::Absent,
        Ok(Err(error)) => DatabaseState::Unreachable { reason: error.to_string() },
        Err(_) => DatabaseState::Unreachable { reason: format!("no answer within {} s", PATIENCE.as_secs()) },
    }
}

fn is_started_by_a_run(site: &Site) -> bool {
    site.environment.database.embedded
        && matches!(site.postgres().state(), Ok(PostgresState::Stopped | PostgresState::CutOff { .. }))
}

/// Versions on which files and database disagree in a way that migrate refuses.
pub async fn drifted(site: &Site) -> Vec<i64> {
    drift(site).await.into_iter().filter(::migrate::Drift::blocks).map(|drift| drift.version).collect()
}

/// Where files and database disagree; nothing when one of the two cannot be had.
pub async fn drift(site: &Site) -> Vec<::migrate::Drift> {
    let (Ok(source), Reach::Dsn(dsn)) = (site.source(), reach(site)) else { return Vec::new() };
    let files = ::migrate::MigrationSet::load(&source.checkout.root.join(crate::source::MIGRATIONS));
    let (Ok(set), Ok(database)) = (files, ::migrate::Database::new(&dsn, "look")) else { return Vec::new() };
    match tokio::time::timeout(PATIENCE, ::migrate::status(&database, &set)).await {
        Ok(status) => status.map(|status| status.drift).unwrap_or_default(),
        Err(_) => Vec::new(),
    }
}

/// The greatest token that a run has worked under in this database, when that can be asked quickly.
pub async fn newest_token(site: &Site) -> Option<u64> {
    let Reach::Dsn(dsn) = reach(site) else { return None };
    let database = ::migrate::Database::new(&dsn, "look").ok()?;
    let asked = tokio::time::timeout(TOKEN_PATIENCE, ::migrate::newest_token(&database)).await.ok()?;
    u64::try_from(asked.ok()??).ok()
}

/// Is the first tenant there?
///
/// # Errors
/// The database cannot be asked.
pub async fn is_seeded(site: &Site) -> Result<bool, String> {
    let dsn = migrator_dsn(site)?;
    let asked = tokio::time::timeout(PATIENCE, look(&dsn)).await;
    let answer = asked.map_err(|_| "no answer".to_owned())?;
    answer.map(|(_, seeded)| seeded).map_err(|error| error.to_string())
}

/// Applied versions, and whether the first tenant is there.
async fn look(dsn: &SecretString) -> Result<(Vec<i64>, bool), sqlx::Error> {
    let mut connection = connect(dsn).await?;
    let there: (bool, bool) = sqlx::query_as(
        "SELECT to_regclass('public._sqlx_migrations') IS NOT NULL, to_regclass('public.users') IS NOT NULL",
    )
    .fetch_one(&mut connection)
    .await?;
    let applied = if there.0 {
        sqlx::query_scalar("SELECT version FROM public._sqlx_migrations WHERE success ORDER BY version")
            .fetch_all(&mut connection)
            .await?
    } else {
        Vec::new()
    };
    let seeded = there.1
        && sqlx::query_scalar("SELECT EXISTS (SELECT FROM public.users)").fetch_one(&mut connection).await?;
    let _ = connection.close().await;
    Ok((applied, seeded))
}

/// A short session of our own.
///
/// # Errors
/// What the driver says; after five seconds without an answer, that.
pub async fn connect(dsn: &SecretString) -> Result<PgConnection, sqlx::Error> {
    let options = PgConnectOptions::from_str(dsn.expose_secret())?.disable_statement_logging();
    let options = options.application_name("crmctl/look");
    let late = |_| {
        let message = format!("no answer within {} s", PATIENCE.as_secs());
        sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, message))
    };
    tokio::time::timeout(PATIENCE, PgConnection::connect_with(&options)).await.map_err(late)?
}

/// No such database, role, or password: a private server that was not finished.
fn is_missing(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    matches!(code.as_deref(), Some("3D000" | "28P01" | "28000"))
}
