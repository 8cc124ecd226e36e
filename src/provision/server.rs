//! Roles and databases on a PostgreSQL that somebody else runs. Statements are quoted by the server, and passwords kept out of its
//! log.

use std::str::FromStr;

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, query_scalar, raw_sql};
use url::Url;

use crate::error::Error;
use crate::site::{Site, database};

/// Key of a DSN whose role may make roles and databases; nothing else uses it.
pub(super) const ADMIN: &str = "POSTGRES_ADMIN_DSN";

/// Codes of a password that is wrong, a role that is not there or may not come in, a database that is not there, a right that is
/// missing.
const MISSING: [&str; 4] = ["28P01", "28000", "3D000", "42501"];

/// A DSN taken apart.
pub(super) struct Dsn {
    pub(super) text: SecretString,
    pub(super) role: String,
    pub(super) password: SecretString,
    pub(super) database: String,
    server: (String, u16),
}

impl Dsn {
    /// # Errors
    /// It is none, or names no database.
    pub(super) fn read(key: &str, text: &SecretString) -> Result<Self, Error> {
        let broken = || {
            let form = "postgresql://user:password@host:port/database";
            Error::refused(format!("`{key}` is no DSN of the form `{form}`"))
        };
        let url = Url::parse(text.expose_secret()).map_err(|_| broken())?;
        let options = PgConnectOptions::from_str(text.expose_secret()).map_err(|_| broken())?;
        let password =
            percent_decode_str(url.password().unwrap_or_default()).decode_utf8_lossy().into_owned();
        Ok(Self {
            text: text.clone(),
            role: options.get_username().to_owned(),
            password: password.into(),
            database: options.get_database().ok_or_else(broken)?.to_owned(),
            server: (options.get_host().to_owned(), options.get_port()),
        })
    }

    /// The same server's other database.
    fn with_database(&self, name: &str) -> Option<SecretString> {
        let mut url = Url::parse(self.text.expose_secret()).ok()?;
        url.set_path(&format!("/{name}"));
        Some(String::from(url).into())
    }

    pub(super) fn place(&self) -> String {
        format!("`{}` on {}:{}", self.database, self.server.0, self.server.1)
    }
}

/// How a role finds its database.
pub(super) enum Found {
    /// It can log in.
    Well,
    /// Role, password, right or database are missing.
    Missing(String),
    /// Nobody can tell.
    Away(String),
}

/// Whether the role of a DSN can log in.
pub(super) async fn find(dsn: &SecretString) -> Found {
    match database::connect(dsn).await {
        Ok(_) => Found::Well,
        Err(error) => {
            let said = error.as_database_error().map(|error| (error.code(), error.message()));
            match said {
                Some((Some(code), said)) if MISSING.contains(&code.as_ref()) => {
                    Found::Missing(said.to_owned())
                }
                _ => Found::Away(error.to_string()),
            }
        }
    }
}

/// The administrator of the server that `dsn` is on.
///
/// # Errors
/// No DSN was given for it, or one of another server.
pub(super) fn admin(site: &Site, dsn: &Dsn) -> Result<Dsn, Error> {
    let name = &site.environment.facts.name;
    let given = site.environment.secrets.get(ADMIN).ok_or_else(|| {
        Error::refused(format!("{} is not there, and nobody was named who may make it", dsn.place())).hint(
            format!(
                "`{ADMIN}=postgresql://… crmctl provision {name}`: a role that may make roles and databases"
            ),
        )
    })?;
    let admin = Dsn::read(ADMIN, given)?;
    if admin.server != dsn.server {
        let message =
            format!("`{ADMIN}` is of {}:{}, not of {}", admin.server.0, admin.server.1, dsn.place());
        return Err(Error::refused(message).hint("give the administrator of that server"));
    }
    Ok(admin)
}

/// A session of the administrator's, in a database of his server.
pub(super) async fn session(admin: &Dsn, database_name: &str) -> Result<PgConnection, Error> {
    let dsn = admin.with_database(database_name).unwrap_or_else(|| admin.text.clone());
    database::connect(&dsn).await.map_err(|error| failed(&error))
}

/// Makes a database unless it is there.
pub(super) async fn create_database(connection: &mut PgConnection, name: &str) -> Result<bool, Error> {
    let found = query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)").bind(name);
    if found.fetch_one(&mut *connection).await.map_err(|error| failed(&error))? {
        return Ok(false);
    }
    run(connection, "SELECT format('CREATE DATABASE %I', $1)", &[name]).await.map(|()| true)
}

/// Makes a role that can log in unless it is there.
pub(super) async fn create_role(connection: &mut PgConnection, name: &str) -> Result<(), Error> {
    let found = query_scalar("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)").bind(name);
    if found.fetch_one(&mut *connection).await.map_err(|error| failed(&error))? {
        return Ok(());
    }
    run(connection, "SELECT format('CREATE ROLE %I LOGIN', $1)", &[name]).await
}

/// Gives a role the password of its DSN.
pub(super) async fn set_password(connection: &mut PgConnection, dsn: &Dsn) -> Result<(), Error> {
    let quiet = raw_sql("SET log_min_error_statement = panic; SET log_statement = none");
    // An administrator that may not is no superuser; his server's log is his own.
    let _ = quiet.execute(&mut *connection).await;
    run(
        connection,
        "SELECT format('ALTER ROLE %I PASSWORD %L', $1, $2)",
        &[&dsn.role, dsn.password.expose_secret()],
    )
    .await
}

/// Makes a role the owner of a database.
pub(super) async fn give_database(connection: &mut PgConnection, dsn: &Dsn) -> Result<(), Error> {
    run(connection, "SELECT format('ALTER DATABASE %I OWNER TO %I', $1, $2)", &[&dsn.database, &dsn.role])
        .await
}

/// A statement that the server quotes.
async fn run(connection: &mut PgConnection, format: &'static str, values: &[&str]) -> Result<(), Error> {
    let mut asked = query_scalar(format);
    for value in values {
        asked = asked.bind((*value).to_owned());
    }
    let statement: String = asked.fetch_one(&mut *connection).await.map_err(|error| failed(&error))?;
    raw_sql(AssertSqlSafe(statement)).execute(connection).await.map(drop).map_err(|error| failed(&error))
}

pub(super) fn failed(error: &sqlx::Error) -> Error {
    Error::refused(format!("the database server refuses: {error}"))
        .hint(format!("look at the rights of the role in `{ADMIN}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dsn_is_taken_apart_with_its_password_as_it_is() {
        let dsn = Dsn::read("K", &"postgresql://crm_app:a%40b%2Fc@db.example:5433/crm".into()).ok().unwrap();
        assert_eq!((dsn.role.as_str(), dsn.database.as_str()), ("crm_app", "crm"));
        assert_eq!(dsn.password.expose_secret(), "a@b/c");
        assert_eq!(dsn.place(), "`crm` on db.example:5433");
        let other = dsn.with_database("postgres").unwrap();
        assert_eq!(other.expose_secret(), "postgresql://crm_app:a%40b%2Fc@db.example:5433/postgres");
        assert!(Dsn::read("K", &"redis://x".into()).is_err());
    }
}
