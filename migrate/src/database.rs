//! How sessions on the database are opened: address, name, fixed settings. It runs no query.

use std::str::FromStr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};

use crate::error::Error;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Fixed in every session, whatever role, database or server say.
///
/// `row_security = off` raises an error where a policy would filter silently. A dead client is noticed within
/// a second, a stopped one loses its transaction after a minute, and nothing ever queues for a lock longer
/// than half a second, so that no client queues longer behind us.
const SETTINGS: [(&str, &str); 11] = [
    ("search_path", "public, pg_temp"),
    ("row_security", "off"),
    ("lock_timeout", "500ms"),
    ("statement_timeout", "0"),
    ("idle_in_transaction_session_timeout", "60s"),
    ("client_connection_check_interval", "1s"),
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
    ("default_transaction_isolation", "read committed"),
    ("standard_conforming_strings", "on"),
];

/// A database that can be migrated: an address and the name our sessions bear on it.
#[derive(Clone)]
pub struct Database {
    options: PgConnectOptions,
    run: String,
}

impl Database {
    /// A database at `dsn`, whose sessions call themselves `crmctl/<run>`. Opens nothing.
    ///
    /// # Errors
    /// When `dsn` is no PostgreSQL address; the message shows nothing of it.
    pub fn new(dsn: &SecretString, run: &str) -> Result<Self, Error> {
        let options = PgConnectOptions::from_str(dsn.expose_secret())
            .map_err(|_| Error::Address { reason: "it is not a PostgreSQL URL".to_owned() })?
            .options(SETTINGS)
            .disable_statement_logging();
        Ok(Self { options, run: run.to_owned() })
    }

    /// The database's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.options.get_database().unwrap_or_else(|| self.options.get_username())
    }

    /// A session that may change the database.
    pub(crate) async fn connect(&self) -> Result<PgConnection, Error> {
        self.open(self.options.clone().application_name(&self.application(""))).await
    }

    /// A session that cannot change anything.
    pub(crate) async fn connect_read_only(&self) -> Result<PgConnection, Error> {
        let options = self.options.clone().options([("default_transaction_read_only", "on")]);
        self.open(options.application_name(&self.application("/watch"))).await
    }

    /// PostgreSQL cuts names at 63 bytes: the run is cut rather than what we add to it.
    fn application(&self, role: &str) -> String {
        let room = 63 - "crmctl/".len() - role.len();
        let run: String = self.run.chars().filter(char::is_ascii).take(room).collect();
        format!("crmctl/{run}{role}")
    }

    async fn open(&self, options: PgConnectOptions) -> Result<PgConnection, Error> {
        let failed = |source| Error::Connect { database: self.name().to_owned(), source };
        match tokio::time::timeout(CONNECT_TIMEOUT, PgConnection::connect_with(&options)).await {
            Ok(connected) => connected.map_err(failed),
            Err(_) => Err(failed(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))),
        }
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("name", &self.name()).field("run", &self.run).finish_non_exhaustive()
    }
}
