//! The door to Postgres: one lazy pool, and one layer that times every query that passes. Opens no
//! tenant (see `tenant`) and knows no table.

mod metered;
mod statistics;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use sqlx::Connection;
use sqlx::postgres::{PgConnection, PgListener, PgPool, PgPoolOptions};

pub use metered::Metered;
pub(crate) use statistics::Statistics;

use crate::metrics::Cache;
use crate::settings::Settings;

/// Longest wait for a free or a new connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// The same for who listens: it tries again by itself.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(3);
/// A connection that was used within this time is taken without asking whether it lives.
const TRUSTED_IDLE: Duration = Duration::from_millis(500);
/// An idle connection older than this is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);
/// Connections opened before the first request, when the pool may have as many.
const WARM_CONNECTIONS: u32 = 10;
/// How long the first of them may take: a database that is away keeps no release from starting.
const FIRST_CONNECTION: Duration = Duration::from_millis(500);
/// How long the others may take.
const OTHER_CONNECTIONS: Duration = Duration::from_secs(2);
/// A transaction that does nothing for this long is ended by the server.
const IDLE_IN_TRANSACTION: &str = "30s";

/// The pool and its statistics.
#[derive(Debug, Clone)]
pub struct Database {
    pool: PgPool,
    statistics: Arc<Statistics>,
    figures: Option<Arc<Cache>>,
}

/// Connections of the pool at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub(crate) struct PoolState {
    /// Connections open now.
    pub size: u32,
    /// Connections open and free.
    pub idle: u32,
    /// Connections at work.
    pub in_use: u32,
    /// Most connections allowed.
    pub max: u32,
}

impl Database {
    /// A pool that connects when it is first used, so that a server starts without its database.
    #[must_use]
    pub fn lazy(settings: &Settings) -> Self {
        let statement_timeout = format!("{}ms", settings.statement_timeout.as_millis());
        let options = settings.database.0.clone().application_name("crm-server").options([
            ("statement_timeout", statement_timeout.as_str()),
            ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION),
        ]);
        let pool = PgPoolOptions::new()
            .max_connections(settings.database_connections)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .idle_timeout(IDLE_TIMEOUT)
            // Asking each time would cost a round trip; a connection that was at work a moment ago is
            // nearly always alive, and if not, `tenant` takes the next.
            .test_before_acquire(false)
            .before_acquire(|connection, usage| {
                Box::pin(async move {
                    if usage.idle_for > TRUSTED_IDLE {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(options);
        Self::over(pool)
    }

    /// The same over a pool of your own. It must connect as a role without `BYPASSRLS`, as `crm_app` is, and should have
    /// a `statement_timeout`; its limits and timeouts are yours.
    #[must_use]
    pub fn over(pool: PgPool) -> Self {
        Self { pool, statistics: Arc::default(), figures: None }
    }

    /// The same with figures kept for a moment, as `settings` have it.
    pub(crate) fn keeping_figures(self, settings: &Settings) -> Self {
        Self { figures: Cache::of(settings), ..self }
    }

    /// Figures computed before, when they are kept.
    pub(crate) fn figures(&self) -> Option<&Arc<Cache>> {
        self.figures.as_ref()
    }

    /// A tenant's figures are no longer what they were.
    pub(crate) async fn figures_changed(&self, tenant_id: i32) {
        if let Some(cache) = &self.figures {
            cache.changed(tenant_id).await;
        }
    }

    /// Opens the connections that the first requests will want. A release takes over a full load at once; with a
    /// cold pool its first requests would all wait for a connection of their own. Gives up in bounded time.
    pub(crate) async fn warm(&self) {
        let wanted = self.pool.options().get_max_connections().min(WARM_CONNECTIONS);
        let opened = async {
            let first = tokio::time::timeout(FIRST_CONNECTION, self.pool.acquire()).await.ok()?.ok()?;
            let others = (1..wanted).map(|_| self.pool.acquire());
            let others = tokio::time::timeout(OTHER_CONNECTIONS, join_all(others)).await.ok()?;
            drop(first);
            Some(1 + others.iter().filter(|other| other.is_ok()).count())
        };
        match opened.await {
            Some(connections) => tracing::info!(connections, "connected to the database"),
            None => tracing::warn!("starting without its database: it does not answer yet"),
        }
    }

    /// Something to run one statement on, timed. Sees no tenant: row-level security hides every row
    /// except through the narrow functions made for it.
    pub(crate) fn outside_tenants(&self) -> Metered<&PgPool> {
        Metered::new(&self.pool, Arc::clone(&self.statistics))
    }

    /// The same over a connection that is already held.
    pub(crate) fn on<'c>(&self, connection: &'c mut PgConnection) -> Metered<&'c mut PgConnection> {
        Metered::new(connection, Arc::clone(&self.statistics))
    }

    /// Hears what is notified on `channel`, over a connection beside the pool that comes back when it is lost.
    ///
    /// # Errors
    /// When the database is away.
    pub(crate) async fn listen(&self, channel: &str) -> Result<PgListener, sqlx::Error> {
        let options = PgPoolOptions::new().max_connections(1).acquire_timeout(LISTEN_TIMEOUT);
        let own = options.connect_lazy_with((*self.pool.connect_options()).clone());
        let mut listener = PgListener::connect_with(&own).await?;
        listener.listen(channel).await?;
        Ok(listener)
    }

    /// The pool itself, for those who hold a connection over many statements.
    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Durations of the queries of the last minutes.
    pub(crate) fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// Connections now.
    pub(crate) fn pool_state(&self) -> PoolState {
        let size = self.pool.size();
        let idle = u32::try_from(self.pool.num_idle()).unwrap_or(u32::MAX).min(size);
        PoolState { size, idle, in_use: size - idle, max: self.pool.options().get_max_connections() }
    }

    /// Asks the database for one answer, within `limit`.
    ///
    /// # Errors
    /// Says in a few words why there was none; never with internals.
    pub(crate) async fn ping(&self, limit: Duration) -> Result<Duration, &'static str> {
        let start = Instant::now();
        let asked = sqlx::query_scalar::<_, i32>("SELECT 1").fetch_one(self.outside_tenants());
        match tokio::time::timeout(limit, asked).await {
            Ok(Ok(_)) => Ok(start.elapsed()),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the database does not answer");
                Err("away")
            }
            Err(_) => {
                tracing::warn!(limit_ms = limit.as_millis(), "the database does not answer in time");
                Err("slow")
            }
        }
    }
}
