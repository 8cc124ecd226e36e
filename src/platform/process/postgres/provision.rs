//! Roles, passwords and the database of the CRM on the private server. The roles' rights come from the
//! release's own `migrations/provision/roles.sql`; tables are no business of this file.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection, query_scalar, raw_sql};
use tokio::time::timeout;

use super::postmaster::{ANSWER_DEADLINE, close, is_wrong_password};
use super::{PostgresError, PostgresState, PrivatePostgres};

/// Owner of the schema; runs migrations and the seed.
pub const MIGRATOR: &str = "crm_migrator";
/// What the server connects as.
pub const APP: &str = "crm_app";

/// Longest making of roles and database; part of a second is usual.
const PROVISION_DEADLINE: Duration = Duration::from_secs(60);

/// What a CRM needs of the server.
#[derive(Debug, Clone)]
pub struct Provisioning {
    /// Name of its database.
    pub database: String,
    /// The release's `migrations/provision/roles.sql`.
    pub roles: PathBuf,
    /// Password of the superuser.
    pub superuser: SecretString,
    /// Password for [`MIGRATOR`].
    pub migrator: SecretString,
    /// Password for [`APP`].
    pub app: SecretString,
}

impl PrivatePostgres {
    /// Name of the database of this environment: `crmventas_<environment>`.
    pub fn database_name(&self) -> String {
        format!("crmventas_{}", self.state.environment())
    }

    /// Makes roles, database and passwords as `wanted`. Doing it again changes nothing. The server must run.
    ///
    /// # Errors
    /// When the file of roles cannot be read, the superuser's password is refused, a statement fails or the server
    /// does not answer in time.
    pub async fn provision(&self, wanted: &Provisioning) -> Result<(), PostgresError> {
        let _lock = self.lock().await?;
        within("making roles and database", PROVISION_DEADLINE, self.provision_locked(wanted)).await
    }

    async fn provision_locked(&self, wanted: &Provisioning) -> Result<(), PostgresError> {
        let path = wanted.roles.clone();
        let roles = std::fs::read_to_string(&path).map_err(|source| PostgresError::Io {
            path,
            what: "read",
            source,
        })?;
        let superuser = self.superuser(&wanted.superuser);
        create_database(&superuser, &wanted.database).await?;
        let mut connection = connect(&superuser.clone().database(&wanted.database)).await?;
        raw_sql(AssertSqlSafe(roles)).execute(&mut connection).await?;
        for (role, password) in [(MIGRATOR, &wanted.migrator), (APP, &wanted.app)] {
            if !self.can_log_in(role, password, &wanted.database).await? {
                set_password(&mut connection, role, password).await?;
            }
        }
        close(connection).await
    }

    /// Whether both roles can log in to the database as `wanted` says. Starts and changes nothing.
    ///
    /// # Errors
    /// When the server runs and cannot be asked, or does not answer in time.
    pub async fn is_provisioned(&self, wanted: &Provisioning) -> Result<bool, PostgresError> {
        if !matches!(self.state()?, PostgresState::Running { .. }) {
            return Ok(false);
        }
        Ok(self.can_log_in(MIGRATOR, &wanted.migrator, &wanted.database).await?
            && self.can_log_in(APP, &wanted.app, &wanted.database).await?)
    }

    async fn can_log_in(
        &self,
        role: &str,
        password: &SecretString,
        database: &str,
    ) -> Result<bool, PostgresError> {
        let options = self.options(role, password).database(database);
        match connect(&options).await {
            Ok(connection) => close(connection).await.map(|()| true),
            // Wrong password.
            Err(PostgresError::PasswordRefused { .. }) => Ok(false),
            Err(PostgresError::Database(error)) => {
                match error.as_database_error().and_then(|error| error.code()).as_deref() {
                    // No such role; no such database; not allowed to connect to it.
                    Some("28000" | "3D000" | "42501") => Ok(false),
                    _ => Err(error.into()),
                }
            }
            Err(error) => Err(error),
        }
    }
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection, PostgresError> {
    within("a connection to the private PostgreSQL", ANSWER_DEADLINE, async {
        PgConnection::connect_with(options).await.map_err(|error| match is_wrong_password(&error) {
            true => PostgresError::PasswordRefused { role: options.get_username().to_owned() },
            false => error.into(),
        })
    })
    .await
}

async fn within<T>(
    what: &'static str,
    limit: Duration,
    work: impl Future<Output = Result<T, PostgresError>>,
) -> Result<T, PostgresError> {
    let late = |_| PostgresError::TimedOut { what, seconds: limit.as_secs() };
    timeout(limit, work).await.map_err(late)?
}

async fn create_database(superuser: &PgConnectOptions, name: &str) -> Result<(), PostgresError> {
    let mut connection = connect(superuser).await?;
    let found: bool = query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(name)
        .fetch_one(&mut connection)
        .await?;
    if !found {
        let statement: String = query_scalar("SELECT format('CREATE DATABASE %I', $1)")
            .bind(name)
            .fetch_one(&mut connection)
            .await?;
        raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
    }
    close(connection).await
}

/// The statement is quoted by the server and kept out of its log, also when it fails.
async fn set_password(
    connection: &mut PgConnection,
    role: &str,
    password: &SecretString,
) -> Result<(), PostgresError> {
    raw_sql("SET log_min_error_statement = panic; SET log_statement = none")
        .execute(&mut *connection)
        .await?;
    let statement: String = query_scalar("SELECT format('ALTER ROLE %I PASSWORD %L', $1, $2)")
        .bind(role)
        .bind(password.expose_secret())
        .fetch_one(&mut *connection)
        .await?;
    raw_sql(AssertSqlSafe(statement)).execute(connection).await?;
    Ok(())
}
