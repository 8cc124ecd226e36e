//! Roles, passwords and the database of the CRM on the private server. The roles' rights come from the
//! release's own `migrations/provision/roles.sql`; tables are no business of this file.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, query_scalar, raw_sql};

use super::postmaster::is_wrong_password;
use super::{PostgresError, PostgresState, PrivatePostgres};

/// Owner of the schema; runs migrations and the seed.
pub const MIGRATOR: &str = "crm_migrator";
/// What the server connects as.
pub const APP: &str = "crm_app";

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
    /// When the file of roles cannot be read, the superuser's password is refused or a statement fails.
    pub async fn provision(&self, wanted: &Provisioning) -> Result<(), PostgresError> {
        let path = wanted.roles.clone();
        let roles = std::fs::read_to_string(&path).map_err(|source| PostgresError::Io {
            path,
            what: "read",
            source,
        })?;
        let _lock = self.lock().await?;
        let superuser = self.superuser(&wanted.superuser);
        create_database(&superuser, &wanted.database).await?;
        let mut connection = connect(&superuser.clone().database(&wanted.database)).await?;
        raw_sql(AssertSqlSafe(roles)).execute(&mut connection).await?;
        for (role, password) in [(MIGRATOR, &wanted.migrator), (APP, &wanted.app)] {
            if !self.can_log_in(role, password, &wanted.database).await? {
                set_password(&mut connection, role, password).await?;
            }
        }
        connection.close().await?;
        Ok(())
    }

    /// Whether both roles can log in to the database as `wanted` says. Starts and changes nothing.
    ///
    /// # Errors
    /// When the server runs and cannot be asked.
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
        match self.options(role, password).database(database).connect().await {
            Ok(connection) => connection.close().await.map(|()| true).map_err(Into::into),
            Err(error) => match error.as_database_error().and_then(|error| error.code()).as_deref() {
                // Wrong password or no such role; no such database; not allowed to connect to it.
                Some("28P01" | "28000" | "3D000" | "42501") => Ok(false),
                _ => Err(error.into()),
            },
        }
    }
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection, PostgresError> {
    PgConnection::connect_with(options).await.map_err(|error| match is_wrong_password(&error) {
        true => PostgresError::PasswordRefused { role: super::SUPERUSER.into() },
        false => error.into(),
    })
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
    connection.close().await?;
    Ok(())
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
