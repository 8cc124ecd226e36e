//! How sessions with the ledger's server are opened, and what it means when one cannot be. Knows no table but whether
//! there are any.

use std::str::FromStr;
use std::time::Duration;

use phases::engine::ledger::LedgerError;
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use super::layout;

/// Longest wait for a session.
const CONNECT: Duration = Duration::from_secs(3);

/// Where a database is made from.
const MAINTENANCE: &str = "postgres";

/// Fixed in every session, whatever role, database or server say.
///
/// A record that was acknowledged survives the server's crash (`synchronous_commit`); a client that is gone is noticed
/// within a second even while its statement waits, and none of ours waits for long: what was on its way when the client
/// gave up cannot happen much later.
const SETTINGS: [(&str, &str); 11] = [
    ("search_path", "pg_catalog, pg_temp"),
    ("synchronous_commit", "on"),
    ("lock_timeout", "3s"),
    ("idle_in_transaction_session_timeout", "10s"),
    ("client_connection_check_interval", "1s"),
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
    ("default_transaction_isolation", "read committed"),
    ("standard_conforming_strings", "on"),
    ("timezone", "UTC"),
];

/// The server of a ledger.
#[derive(Clone)]
pub(super) struct Server {
    options: PgConnectOptions,
}

impl Server {
    /// The server that `dsn` names. Opens nothing.
    ///
    /// # Errors
    /// It is no address; the message shows nothing of it.
    pub(super) fn new(dsn: &SecretString) -> Result<Self, LedgerError> {
        let options = PgConnectOptions::from_str(dsn.expose_secret())
            .map_err(|_| LedgerError::Away("its DSN is no PostgreSQL URL".to_owned()))?;
        Ok(Self { options: options.options(SETTINGS).disable_statement_logging() })
    }

    /// A session on tables in a known format; `None` when database or tables are not there.
    ///
    /// # Errors
    /// The server cannot be reached or lets nobody in, or a newer crmctl made the tables.
    pub(super) async fn open(
        &self,
        role: &str,
        statements: Duration,
    ) -> Result<Option<PgConnection>, LedgerError> {
        let Some(mut session) = self.connect(role, statements).await? else { return Ok(None) };
        let looking = tokio::time::timeout(CONNECT, layout::format(&mut session));
        match looking.await.map_err(|_| self.silent())?.map_err(|error| self.away(&error))? {
            Some(found) if found > layout::KNOWN => {
                Err(LedgerError::NewerLayout { found, known: layout::KNOWN })
            }
            Some(_) => Ok(Some(session)),
            None => Ok(None),
        }
    }

    /// Makes database and tables where they are missing.
    ///
    /// # Errors
    /// As [`Self::open`], or the role may not make them.
    pub(super) async fn prepare(&self) -> Result<(), LedgerError> {
        let patience = Duration::from_secs(10);
        let name = self.database();
        let unmade = |what: &str, error: &sqlx::Error| {
            LedgerError::Storage(format!("{what} `{name}` cannot be made: {}", said(error)))
        };
        let mut session = match self.connect("make", patience).await? {
            Some(session) => session,
            None => {
                self.create().await.map_err(|error| unmade("database", &error))?;
                let absent = || LedgerError::Away(format!("database `{name}` is gone again"));
                self.connect("make", patience).await?.ok_or_else(absent)?
            }
        };
        let made = async {
            if layout::format(&mut session).await?.is_some() {
                return Ok(true);
            }
            if layout::is_applications(&mut session).await? {
                return Ok(false);
            }
            layout::make(&mut session).await.map(|()| true)
        };
        let made = tokio::time::timeout(patience, made).await.map_err(|_| self.silent())?;
        if made.map_err(|error| unmade("the tables of", &error))? {
            return Ok(());
        }
        Err(LedgerError::Storage(format!(
            "database `{name}` is an application's, and a restore of it would rewind the ledger: name one of its own \
             in the DSN, as `crmctl_state`"
        )))
    }

    /// Where it is, without user and password.
    pub(super) fn place(&self) -> String {
        format!("`{}` on {}:{}", self.database(), self.options.get_host(), self.options.get_port())
    }

    fn database(&self) -> &str {
        self.options.get_database().unwrap_or_else(|| self.options.get_username())
    }

    async fn connect(&self, role: &str, statements: Duration) -> Result<Option<PgConnection>, LedgerError> {
        let timeout = format!("{}ms", statements.as_millis());
        let options = self.options.clone().options([("statement_timeout", timeout)]);
        match self.reach(&options.application_name(&format!("crmctl/ledger/{role}"))).await {
            Ok(session) => Ok(Some(session)),
            Err(error) if code(&error).as_deref() == Some("3D000") => Ok(None),
            Err(error) => Err(self.away(&error)),
        }
    }

    async fn create(&self) -> Result<(), sqlx::Error> {
        let mut session = self.reach(&self.options.clone().database(MAINTENANCE)).await?;
        let name = self.database().replace('"', "\"\"");
        let statement = format!("CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'UTF8'");
        match sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut session).await {
            // Another operator was quicker.
            Err(error) if matches!(code(&error).as_deref(), Some("42P04" | "23505")) => Ok(()),
            made => made.map(|_| ()),
        }
    }

    async fn reach(&self, options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
        let late = |_| {
            let message = format!("no answer within {} s", CONNECT.as_secs());
            sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, message))
        };
        tokio::time::timeout(CONNECT, PgConnection::connect_with(options)).await.map_err(late)?
    }

    fn away(&self, error: &sqlx::Error) -> LedgerError {
        LedgerError::Away(format!("{}: {}", self.place(), said(error)))
    }

    fn silent(&self) -> LedgerError {
        LedgerError::Away(format!("{}: no answer", self.place()))
    }
}

/// Code of the server's error.
pub(super) fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error()?.code().map(|code| code.into_owned())
}

/// The server's words, or the driver's.
pub(super) fn said(error: &sqlx::Error) -> String {
    error.as_database_error().map_or_else(|| crate::error::chain(error), |error| error.message().to_owned())
}
