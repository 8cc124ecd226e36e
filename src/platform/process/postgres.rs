//! The private PostgreSQL of an embedded environment: made once, started when needed, reachable only through
//! a unix socket. It outlives crmctl. What is in its databases is not this file's business.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::time::Instant;
use url::Url;

use crate::state_directory::StateDirectory;
use crate::supervisor::lock::FileLock;

mod account;
mod binaries;
mod cluster;
mod error;
mod holder;
mod home;
mod postmaster;
pub mod provision;

use account::Account;
pub use binaries::PostgresBinaries;
use cluster::Cluster;
pub use error::PostgresError;
use home::Home;
use postmaster::Postmaster;

/// Name of the superuser.
const SUPERUSER: &str = "postgres";
/// Part of the socket's name; nothing listens on a network.
const PORT: u16 = 5432;
/// How long a call waits for another one that starts or stops the same server.
const PATIENCE: Duration = Duration::from_secs(90);

/// The private server of one environment.
#[derive(Debug, Clone)]
pub struct PrivatePostgres {
    state: StateDirectory,
    binaries: Option<PathBuf>,
}

/// What there is of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostgresState {
    /// It was never made.
    Absent,
    /// Its data lie there; it does not run.
    Stopped,
    /// It runs and its socket is gone: it is started again when it is needed.
    CutOff {
        /// Number of its first process.
        pid: i32,
    },
    /// It runs.
    Running {
        /// Number of its first process.
        pid: i32,
    },
}

/// What [`PrivatePostgres::ensure_running`] had to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readiness {
    /// The data directory was made now.
    pub created: bool,
    /// The server was started now.
    pub started: bool,
    /// From the call to the first answered connection.
    pub took: Duration,
}

impl PrivatePostgres {
    /// The server of the environment that `state` belongs to. Touches nothing.
    pub fn new(state: StateDirectory) -> Self {
        Self { state, binaries: None }
    }

    /// Uses the programs in `directory` and looks nowhere else.
    #[must_use]
    pub fn with_binaries(mut self, directory: impl Into<PathBuf>) -> Self {
        self.binaries = Some(directory.into());
        self
    }

    /// Finds the server programs, as `ensure_running` would. Changes nothing.
    ///
    /// # Errors
    /// When there are none, with the package that brings them as hint, or the data are damaged.
    pub fn find_binaries(&self) -> Result<PostgresBinaries, PostgresError> {
        PostgresBinaries::find(self.binaries.as_deref(), Home::existing(&self.state).version()?)
    }

    /// Whether `binaries` can open the data that are there. Changes nothing.
    ///
    /// # Errors
    /// The data are of another major version.
    pub fn check_fit(&self, binaries: &PostgresBinaries) -> Result<(), PostgresError> {
        binaries.check_version(Home::existing(&self.state).version()?)
    }

    /// What there is now. Changes nothing.
    ///
    /// # Errors
    /// When the data directory cannot be read or is damaged.
    pub fn state(&self) -> Result<PostgresState, PostgresError> {
        let home = Home::existing(&self.state);
        if home.version()?.is_none() {
            return Ok(PostgresState::Absent);
        }
        let Some(postmaster) = Postmaster::find(&home.data())? else {
            return Ok(PostgresState::Stopped);
        };
        let pid = postmaster.pid();
        if postmaster.has_lost(&self.state.sockets()?.postgres()) {
            return Ok(PostgresState::CutOff { pid });
        }
        Ok(PostgresState::Running { pid })
    }

    /// Brings the server to answer: makes the data directory once, clears what a crash or a reboot left, starts
    /// it, and waits for the first connection. Many may call it at once.
    ///
    /// # Errors
    /// When the programs are missing, no unprivileged user can be found, the directory cannot be entered by
    /// that user, the data are damaged, the server does not come up, or it knows another superuser password.
    pub async fn ensure_running(&self, password: &SecretString) -> Result<Readiness, PostgresError> {
        let begun = Instant::now();
        let _lock = self.lock().await?;
        let account = Account::for_servers()?;
        let home = Home::ensure(&self.state, account.as_ref())?;
        let name = format!("crmctl-{}", self.state.short_name());
        let cluster = Cluster { name: &name, home: &home, account: account.as_ref() };
        let created = home.version()?.is_none();
        let started = created || !self.is_answering(&home, password).await?;
        if started {
            let binaries = self.find_binaries()?;
            if created {
                cluster.create(&binaries, password).await?;
            }
            binaries.check_version(home.version()?)?;
            self.launch(&cluster, &binaries, password).await?;
        }
        Ok(Readiness { created, started, took: begun.elapsed() })
    }

    /// Whether a server runs and answers; one that is starting or ending is waited for, one whose socket is gone
    /// is stopped.
    async fn is_answering(&self, home: &Home, password: &SecretString) -> Result<bool, PostgresError> {
        let Some(postmaster) = Postmaster::find(&home.data())? else {
            return Ok(false);
        };
        if postmaster.has_lost(&self.state.sockets()?.postgres()) {
            postmaster.stop().await?;
            return Ok(false);
        }
        let log = self.state.logs().join("postgres.log");
        match postmaster.first_answer(&self.superuser(password), &log).await {
            Err(PostgresError::StartFailed { .. }) if !postmaster.is_alive() => Ok(false),
            other => other.map(|()| true),
        }
    }

    async fn launch(
        &self,
        cluster: &Cluster<'_>,
        binaries: &PostgresBinaries,
        password: &SecretString,
    ) -> Result<(), PostgresError> {
        let sockets = self.state.sockets()?;
        sockets.ensure()?;
        home::give_directory(&sockets.postgres(), cluster.account)?;
        postmaster::clear_remains(cluster, &sockets.postgres()).await?;
        let log = self.state.logs().join("postgres.log");
        let postmaster = Postmaster::launch(cluster, binaries, &sockets.postgres(), &log)?;
        postmaster.first_answer(&self.superuser(password), &log).await
    }

    /// Stops the server: clients are cut off, transactions rolled back; harder when it takes too long.
    /// Answers whether it ran.
    ///
    /// # Errors
    /// When the data directory cannot be read or the process cannot be ended.
    pub async fn stop(&self) -> Result<bool, PostgresError> {
        // Damaged data may have a server too.
        let data = Home::existing(&self.state).data();
        if !data.exists() {
            return Ok(false);
        }
        let _lock = self.lock().await?;
        match Postmaster::find(&data)? {
            None => Ok(false),
            Some(postmaster) => postmaster.stop().await.map(|()| true),
        }
    }

    /// Stops the server and removes its data for good.
    ///
    /// # Errors
    /// As [`Self::stop`], and when something cannot be removed.
    pub async fn remove(&self) -> Result<(), PostgresError> {
        self.stop().await?;
        Home::existing(&self.state).remove()
    }

    /// Connection string for `role` over the private socket, as sqlx, libpq and `psql` read it.
    ///
    /// # Errors
    /// When the place of the socket cannot be told.
    pub fn dsn(
        &self,
        role: &str,
        password: &SecretString,
        database: &str,
    ) -> Result<SecretString, PostgresError> {
        let mut url = Url::parse("postgresql://localhost").expect("a constant that parses");
        url.set_username(role).expect("the scheme takes a user");
        url.set_password(Some(password.expose_secret())).expect("the scheme takes a password");
        url.set_path(database);
        let socket = self.state.sockets()?.postgres();
        url.query_pairs_mut().append_pair("host", &socket.to_string_lossy());
        Ok(SecretString::from(url.to_string()))
    }

    /// How to connect over the private socket.
    pub(crate) fn options(&self, role: &str, password: &SecretString) -> PgConnectOptions {
        let socket = self.state.sockets().map(|sockets| sockets.postgres()).unwrap_or_default();
        PgConnectOptions::new_without_pgpass()
            .socket(socket)
            .port(PORT)
            .username(role)
            .password(password.expose_secret())
            .ssl_mode(PgSslMode::Disable)
            .database(SUPERUSER)
            .application_name("crmctl")
            // A log must not show statements that hold passwords.
            .disable_statement_logging()
    }

    fn superuser(&self, password: &SecretString) -> PgConnectOptions {
        self.options(SUPERUSER, password)
    }

    async fn lock(&self) -> Result<FileLock, PostgresError> {
        self.state.ensure()?;
        let path = self.state.supervisor().join("postgres.lock");
        FileLock::acquire(&path, PATIENCE).await.map_err(|source| PostgresError::Io {
            path,
            what: "lock",
            source,
        })
    }
}
