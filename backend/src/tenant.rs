//! The tenant of a request: one transaction with `app.tenant_id` set from the verified token, opened
//! together with the question whether the account may still come in, in one round trip. The only way
//! for a handler to see tenants' rows. Knows no table beyond accounts and sessions.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Postgres, Row};

use crate::auth::Caller;
use crate::database::{Database, Metered};
use crate::error::ApiError;
use crate::state::AppState;

/// What a transaction may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// `READ ONLY`: a write in it is an error, so that none is lost silently.
    Read,
    /// Committed when the answer is no error.
    Write,
}

/// An open transaction inside one tenant. Dropped without a commit it is rolled back.
#[derive(Debug)]
pub(crate) struct Transaction {
    connection: Option<PoolConnection<Postgres>>,
    database: Database,
    access: Access,
}

impl Transaction {
    /// Opens it for `caller`, unless the account, its tenant or its session no longer may.
    ///
    /// # Errors
    /// 401 when disabled, demoted, logged out or unknown; 503 when the database is away.
    pub(crate) async fn open(database: &Database, caller: &Caller, access: Access) -> Result<Self, ApiError> {
        let (transaction, rows) = Self::begin(database, opening(caller, access), access).await?;
        // One row of the settings, then none or one of the account.
        let admitted = rows.get(1).map_or(Ok(false), |row| row.try_get(0))?;
        if admitted { Ok(transaction) } else { Err(ApiError::unauthorized()) }
    }

    /// Opens it inside `tenant_id` without a caller: for logins, where the account was checked already.
    ///
    /// # Errors
    /// 503 when the database is away.
    pub(crate) async fn inside(database: &Database, tenant_id: i32) -> Result<Self, ApiError> {
        let statements = format!("BEGIN; SELECT set_config('app.tenant_id', '{tenant_id}', true)");
        Ok(Self::begin(database, statements, Access::Write).await?.0)
    }

    async fn begin(
        database: &Database,
        statements: String,
        access: Access,
    ) -> Result<(Self, Vec<PgRow>), ApiError> {
        let mut attempts = database.pool_state().size + 1;
        loop {
            attempts -= 1;
            let connection = Some(database.pool().acquire().await?);
            let mut transaction = Self { connection, database: database.clone(), access };
            let opening = sqlx::raw_sql(AssertSqlSafe(statements.clone()));
            match opening.fetch_all(transaction.db()).await {
                // A connection that died while it was idle: nothing has happened yet, take the next.
                Err(error) if attempts > 0 && is_lost(&error) => transaction.discard(),
                Err(error) => return Err(error.into()),
                Ok(rows) => return Ok((transaction, rows)),
            }
        }
    }

    /// Something to run one statement on, timed.
    pub(crate) fn db(&mut self) -> Metered<&mut PgConnection> {
        let connection = self.connection.as_mut().expect("held until the transaction is dropped");
        self.database.on(connection)
    }

    /// Ends it for good.
    ///
    /// # Errors
    /// When the database did not confirm; then nothing was written.
    pub(crate) async fn commit(mut self) -> Result<(), ApiError> {
        if self.access == Access::Write {
            sqlx::raw_sql("COMMIT").execute(self.db()).await?;
            self.connection = None;
        }
        Ok(())
    }

    fn discard(mut self) {
        if let Some(mut connection) = self.connection.take() {
            connection.close_on_drop();
        }
    }
}

impl Drop for Transaction {
    /// Rolls back beside the answer, not before it: the connection goes to the pool afterwards.
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            connection.close_on_drop();
            return;
        };
        runtime.spawn(async move {
            if sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await.is_err() {
                connection.close_on_drop();
            }
        });
    }
}

/// Whether the connection, not the statement, is what failed.
fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        // Ended by an administrator or by the server's end.
        sqlx::Error::Database(cause) => matches!(cause.code().as_deref(), Some("57P01" | "57P02")),
        _ => false,
    }
}

/// The statements that open a transaction. Every value in them is a number or a UUID.
fn opening(caller: &Caller, access: Access) -> String {
    let Caller { tenant_id, user_id, role, session_id, token_version } = caller;
    let mode = match access {
        Access::Read => "READ ONLY",
        Access::Write => "READ WRITE",
    };
    format!(
        "BEGIN {mode}; \
         SELECT set_config('app.tenant_id', '{tenant_id}', true), set_config('app.user_id', '{user_id}', true); \
         SELECT u.status = 'active' AND u.token_version = {token_version} AND u.role = '{role}' \
            AND t.status = 'active' AND s.revoked_at IS NULL AND s.expires_at > now() \
           FROM users u \
           JOIN tenants t ON t.id = u.tenant_id \
           JOIN sessions s ON s.tenant_id = u.tenant_id AND s.id = '{session_id}' AND s.user_id = u.id \
          WHERE u.tenant_id = {tenant_id} AND u.id = '{user_id}'"
    )
}

/// Where the transaction of a request waits while no handler holds it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slot(Arc<Mutex<Option<Transaction>>>);

impl Slot {
    pub(crate) fn holding(transaction: Transaction) -> Self {
        Self(Arc::new(Mutex::new(Some(transaction))))
    }

    pub(crate) fn take(&self) -> Option<Transaction> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put(&self, transaction: Transaction) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(transaction);
    }
}

/// The caller's tenant, as a handler asks for it: `async fn handler(mut tenant: Tenant)`.
/// The policy layer has opened the transaction and commits it when the answer is no error.
#[derive(Debug)]
pub(crate) struct Tenant {
    caller: Caller,
    transaction: Option<Transaction>,
    slot: Slot,
}

impl Tenant {
    /// Who asks.
    #[must_use]
    pub(crate) fn caller(&self) -> Caller {
        self.caller
    }

    /// Something to run one statement on: `query.fetch_one(tenant.db())`. Sees this tenant only.
    pub(crate) fn db(&mut self) -> Metered<&mut PgConnection> {
        self.transaction.as_mut().expect("held until the tenant is dropped").db()
    }
}

impl Drop for Tenant {
    /// Gives the transaction back to the policy layer.
    fn drop(&mut self) {
        if let Some(transaction) = self.transaction.take() {
            self.slot.put(transaction);
        }
    }
}

impl FromRequestParts<AppState> for Tenant {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        let found = parts.extensions.get::<Caller>().copied().zip(parts.extensions.get::<Slot>().cloned());
        let opened = found.and_then(|(caller, slot)| Some((caller, slot.take()?, slot)));
        let Some((caller, transaction, slot)) = opened else {
            tracing::error!("a handler asks for a tenant, but its policy opens none");
            return Err(ApiError::internal());
        };
        Ok(Self { caller, transaction: Some(transaction), slot })
    }
}
