//! The tenant of a request: one transaction with `app.tenant_id` set from the verified token, opened
//! together with the question whether the account may still come in, in one round trip. The only way
//! for a handler to see tenants' rows. Knows no table beyond accounts and sessions.
//!
//! Length: one transaction, from its opening to its end.

mod profile;
mod savepoint;
mod settings;

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Postgres, Row};
use uuid::Uuid;

pub(crate) use profile::Profile;
pub(crate) use settings::TenantSettings;

use crate::auth::Caller;
use crate::database::{Database, Metered};
use crate::error::ApiError;
use crate::metrics::{self, Cache, Touched};
use crate::state::AppState;

/// What a transaction may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// `READ ONLY`: a write in it is an error, so that none is lost silently.
    Read,
    /// Committed when the answer is no error.
    Write,
    /// `READ ONLY`, and every statement in it sees the same moment: for what is read a page at a time.
    Snapshot,
}

impl Access {
    /// The mode of `BEGIN`.
    const fn mode(self) -> &'static str {
        match self {
            Self::Read => "READ ONLY",
            Self::Write => "READ WRITE",
            Self::Snapshot => "ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }
}

/// Whose transaction it is.
#[derive(Debug, Clone, Copy)]
struct Whose {
    tenant_id: i32,
    actor: Option<Uuid>,
}

/// An open transaction inside one tenant. Dropped without a commit it is rolled back.
#[derive(Debug)]
pub(crate) struct Transaction {
    connection: Option<PoolConnection<Postgres>>,
    database: Database,
    access: Access,
    tenant_id: i32,
    actor: Option<Uuid>,
    touched: Touched,
    /// Whether there are notifications, once somebody asked.
    bell: Option<bool>,
}

impl Transaction {
    /// Opens it for `caller`, unless the account, its tenant or its session no longer may.
    ///
    /// # Errors
    /// 401 when disabled, demoted, logged out or unknown; 503 when the database is away.
    pub(crate) async fn open(database: &Database, caller: &Caller, access: Access) -> Result<Self, ApiError> {
        let whose = Whose { tenant_id: caller.tenant_id, actor: Some(caller.user_id) };
        let (transaction, rows) = Self::begin(database, opening(caller, access), access, whose).await?;
        // One row of the settings, one of the account.
        let admitted = rows.get(1).map_or(Ok(false), |row| row.try_get(0))?;
        if admitted { Ok(transaction) } else { Err(ApiError::unauthorized()) }
    }

    /// Opens it inside `tenant_id` without a caller: for logins, where the account was checked already, and for what
    /// the server does by itself.
    ///
    /// # Errors
    /// 503 when the database is away.
    pub(crate) async fn inside(database: &Database, tenant_id: i32) -> Result<Self, ApiError> {
        let statements = format!("BEGIN; SELECT set_config('app.tenant_id', '{tenant_id}', true)");
        let whose = Whose { tenant_id, actor: None };
        Ok(Self::begin(database, statements, Access::Write, whose).await?.0)
    }

    async fn begin(
        database: &Database,
        statements: String,
        access: Access,
        Whose { tenant_id, actor }: Whose,
    ) -> Result<(Self, Vec<PgRow>), ApiError> {
        let mut attempts = database.pool_state().size + 1;
        loop {
            attempts -= 1;
            let connection = Some(database.pool().acquire().await?);
            let database = database.clone();
            let (bell, touched) = (None, Touched::default());
            let mut transaction = Self { connection, database, access, tenant_id, actor, bell, touched };
            let opening = sqlx::raw_sql(AssertSqlSafe(statements.clone()));
            match opening.fetch_all(transaction.db()).await {
                // A connection that died while it was idle: nothing has happened yet, take the next.
                Err(error) if attempts > 0 && is_lost(&error) => transaction.discard(),
                Err(error) => return Err(error.into()),
                Ok(rows) => return Ok((transaction, rows)),
            }
        }
    }

    /// The tenant it sees.
    pub(crate) fn tenant_id(&self) -> i32 {
        self.tenant_id
    }

    /// Who acts in it; none: the system itself.
    pub(crate) fn actor(&self) -> Option<Uuid> {
        self.actor
    }

    /// What figures are derived from and is being changed: settled at the commit.
    pub(crate) fn touched(&mut self) -> &mut Touched {
        &mut self.touched
    }

    /// The connection itself, for many statements of one kind.
    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        self.connection.as_mut().expect("held until the transaction is dropped")
    }

    /// What was found out about notifications in it, see `notifications::exist`.
    pub(crate) fn bell(&mut self) -> &mut Option<bool> {
        &mut self.bell
    }

    /// Something to run one statement on, timed.
    pub(crate) fn db(&mut self) -> Metered<&mut PgConnection> {
        let connection = self.connection.as_mut().expect("held until the transaction is dropped");
        self.database.on(connection)
    }

    /// Commits it and begins another one on the same connection, for the same tenant and person.
    ///
    /// # Errors
    /// When the database did not confirm; then nothing was written, and the transaction is of no more use.
    pub(crate) async fn again(&mut self, access: Access) -> Result<(), ApiError> {
        let changed = self.settle().await?;
        let (tenant_id, actor) = (self.tenant_id, self.actor.unwrap_or_default());
        let mode = access.mode();
        let statements = format!(
            "COMMIT; BEGIN {mode}; \
             SELECT set_config('app.tenant_id', '{tenant_id}', true), set_config('app.user_id', '{actor}', true)"
        );
        let change = Change::armed(self, changed);
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(self.db()).await?;
        self.access = access;
        change.tell().await;
        Ok(())
    }

    /// Ends it for good.
    ///
    /// # Errors
    /// When the database did not confirm; then nothing was written.
    pub(crate) async fn commit(mut self) -> Result<(), ApiError> {
        if self.access == Access::Write {
            let changed = self.settle().await?;
            let change = Change::armed(&self, changed);
            sqlx::raw_sql("COMMIT").execute(self.db()).await?;
            self.connection = None;
            change.tell().await;
        }
        Ok(())
    }

    /// Brings the figures up to date, right before the commit; whether there was anything to bring.
    async fn settle(&mut self) -> Result<bool, sqlx::Error> {
        let touched = std::mem::take(&mut self.touched);
        if touched.is_empty() {
            return Ok(false);
        }
        metrics::settle(self, &touched).await?;
        Ok(true)
    }

    /// Figures computed before; none for who may write and must see what they wrote, nor for who looks at a moment that
    /// is over.
    pub(crate) fn figures_cache(&self) -> Option<Arc<Cache>> {
        if self.access == Access::Read { self.database.figures().cloned() } else { None }
    }

    fn discard(mut self) {
        if let Some(mut connection) = self.connection.take() {
            connection.close_on_drop();
        }
    }
}

/// That figures have changed, told also when whoever commits does not live to see the answer: nobody knows then whether
/// it was written, and telling it for nothing costs little.
struct Change(Option<(Database, i32)>);

impl Change {
    fn armed(transaction: &Transaction, changed: bool) -> Self {
        Self(changed.then(|| (transaction.database.clone(), transaction.tenant_id)))
    }

    async fn tell(mut self) {
        if let Some((database, tenant_id)) = &self.0 {
            database.figures_changed(*tenant_id).await;
        }
        self.0 = None;
    }
}

impl Drop for Change {
    fn drop(&mut self) {
        let Some((database, tenant_id)) = self.0.take() else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { database.figures_changed(tenant_id).await });
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
    let mode = access.mode();
    format!(
        "BEGIN {mode}; \
         SELECT set_config('app.tenant_id', '{tenant_id}', true), set_config('app.user_id', '{user_id}', true); \
         SELECT crm_admits({tenant_id}, '{user_id}', '{session_id}', {token_version}, '{role}')"
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
pub struct Tenant {
    caller: Caller,
    transaction: Option<Transaction>,
    slot: Slot,
}

impl Tenant {
    /// Who asks.
    #[must_use]
    pub fn caller(&self) -> Caller {
        self.caller
    }

    /// Something to run one statement on: `query.fetch_one(tenant.db())`. Sees this tenant only.
    pub fn db(&mut self) -> Metered<&mut PgConnection> {
        self.transaction().db()
    }

    /// Takes the transaction out of the request: it lasts as long as its new owner, who commits it or not.
    pub(crate) fn detach(mut self) -> Transaction {
        self.transaction.take().expect("held until the tenant is dropped")
    }

    /// The transaction of this request, for what jobs do as well.
    pub(crate) fn transaction(&mut self) -> &mut Transaction {
        self.transaction.as_mut().expect("held until the tenant is dropped")
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
