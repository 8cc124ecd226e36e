//! Demonstration data: two tenants with accounts and some months of believable sales work in Spanish.
//! One transaction, safe to repeat. Connects as the migrator role (it fills many tenants at once) and
//! touches no tenant and no account that it did not make.

mod bare;
mod copy;
mod dice;
mod notices;
mod people;
mod story;
mod tables;
mod talk;
mod vocabulary;

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use sqlx::{AssertSqlSafe, PgConnection, PgPool};
use tokio::task::spawn_blocking;
use uuid::Uuid;

use crate::metrics;
use crate::password::{self, PasswordError};
pub(crate) use dice::Dice;
use people::{Ensured, TENANTS, Tenant};
use story::{Person, Scene};
use tables::Tables;

pub use tables::Written;

/// Lock that lets one seed at a time through: the bytes of `crm_seed`.
const SEED_LOCK: i64 = i64::from_be_bytes(*b"crm_seed");
/// Tables that stories are written to and figures are derived from.
const STORY: &str = "leads, conversations, messages, assignment_log, lead_status_history";
/// Start of the dice: the same rows on every machine.
const START: u64 = 2026;

/// What to make.
#[derive(Debug)]
pub struct SeedOptions {
    /// Password of all accounts of the seed.
    pub password: SecretString,
    /// Takes a weak password too. Only for the environment `local`.
    pub allow_weak_password: bool,
    /// Leads of tenant 1; tenant 2 gets a third.
    pub leads: usize,
    /// Messages of tenant 1, about; tenant 2 gets a third.
    pub messages: usize,
    /// Vendedores of tenant 1, two at least.
    pub sellers: usize,
    /// The moment everything is told from; `None`: now, by the clock of the database.
    pub now: Option<DateTime<Utc>>,
}

impl SeedOptions {
    /// The usual amounts: 120 leads, 900 messages, 5 vendedores, told from now.
    #[must_use]
    pub fn new(password: SecretString) -> Self {
        Self { password, allow_weak_password: false, leads: 120, messages: 900, sellers: 5, now: None }
    }
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SeedReport {
    /// Whether anything was written.
    pub changed: bool,
    /// Accounts made.
    pub accounts_created: usize,
    /// Accounts whose password was set to the given one.
    pub passwords_set: usize,
    /// Tenants made and filled, with their rows.
    pub tenants: Vec<SeededTenant>,
}

/// One tenant that was filled.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SeededTenant {
    /// Its id.
    pub id: i32,
    /// Its name.
    pub name: String,
    /// Rows written.
    pub written: Written,
}

/// Why there is no seed.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The password is too easy for a place others can reach.
    #[error("the password of the seed is too weak")]
    WeakPassword(#[source] PasswordError),
    /// The password cannot be hashed.
    #[error("the password of the seed cannot be used")]
    Password(#[from] PasswordError),
    /// A tenant of somebody else has this id.
    #[error("tenant {id} is `{name}`, which the seed did not make")]
    ForeignTenant {
        /// Its id.
        id: i32,
        /// Its name.
        name: String,
    },
    /// An account of another tenant has this login name.
    #[error("the account `{email}` belongs to another tenant")]
    ForeignAccount {
        /// Login name, one of the seed's own.
        email: String,
    },
    /// The role that runs the seed sees only one tenant.
    #[error("the database role `{role}` is under row-level security")]
    WrongRole {
        /// The role.
        role: String,
    },
    /// The database refused or is away.
    #[error("the database does not take the seed")]
    Database(#[from] sqlx::Error),
    /// A task of the seed was stopped.
    #[error("the seed was stopped")]
    Stopped(#[from] tokio::task::JoinError),
}

impl SeedError {
    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::WeakPassword(_) => {
                "set `SMOKE_PASSWORD` to a longer one; weak ones are for the environment `local`"
            }
            Self::ForeignTenant { .. } | Self::ForeignAccount { .. } => {
                "seed a database that has no data of its own"
            }
            Self::WrongRole { .. } => "run the seed with the migrator's DSN",
            Self::Database(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P01") => {
                "apply the migrations first"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

/// Makes what is missing of the demonstration data, in one transaction.
///
/// # Errors
/// See [`SeedError`]; then nothing was changed.
pub async fn seed(pool: &PgPool, options: SeedOptions) -> Result<SeedReport, SeedError> {
    let secret = options.password.expose_secret();
    if !options.allow_weak_password {
        password::check_strength(secret).map_err(SeedError::WeakPassword)?;
    }
    let mut transaction = pool.begin().await?;
    let db: &mut PgConnection = &mut transaction;
    refuse_filtered_role(db).await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(SEED_LOCK).execute(&mut *db).await?;

    let now = match options.now {
        Some(now) => now,
        None => sqlx::query_scalar("SELECT now()").fetch_one(&mut *db).await?,
    };
    let mut report = SeedReport { changed: false, accounts_created: 0, passwords_set: 0, tenants: vec![] };
    let mut fresh = vec![];
    for tenant in &TENANTS {
        if people::ensure_tenant(db, tenant).await? {
            fresh.push(tenant);
        }
    }
    let (mut ids, mut hashed) = (Dice::new(START), None);
    for account in people::accounts(&options) {
        match people::ensure_account(db, &account, ids.id(now), secret, &mut hashed).await? {
            Ensured::Created => report.accounts_created += 1,
            Ensured::PasswordSet => report.passwords_set += 1,
            Ensured::Unchanged => {}
        }
    }
    let bare = if !fresh.is_empty() && options.messages >= bare::WORTH_IT {
        Some(bare::strip(db).await?)
    } else {
        None
    };
    // Each is thought up while the one before it is written.
    let mut stories = vec![];
    for tenant in fresh {
        let scene = scene(db, tenant, &options, now).await?;
        // Reverting 016 leaves a database without notifications, and the rest of the seed fits it.
        let bell = exists(db, "notifications").await?;
        let dice = Dice::new(START + u64::from(tenant.id.unsigned_abs()));
        stories.push((tenant, spawn_blocking(move || Tables::of(dice, scene, bell))));
    }
    for (tenant, story) in stories {
        let written = story.await?.write(db).await?;
        report.tenants.push(SeededTenant { id: tenant.id, name: tenant.name.to_owned(), written });
    }
    if !report.tenants.is_empty() {
        // Without statistics the planner would take a million rows for none.
        sqlx::query(AssertSqlSafe(format!("ANALYZE {STORY}"))).execute(&mut *db).await?;
    }
    for tenant in &report.tenants {
        figures(db, tenant.id).await?;
    }
    if let Some(bare) = bare {
        bare.dress(db).await?;
    }
    report.changed = report.accounts_created + report.passwords_set + report.tenants.len() > 0;
    if !report.tenants.is_empty() {
        tidy(db).await?;
    }
    transaction.commit().await?;
    Ok(report)
}

/// Under row-level security every look would find nothing and every row be refused.
async fn refuse_filtered_role(db: &mut PgConnection) -> Result<(), SeedError> {
    let (role, passes): (String, bool) = sqlx::query_as(
        "SELECT current_user::text, (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user)",
    )
    .fetch_one(db)
    .await?;
    if passes { Ok(()) } else { Err(SeedError::WrongRole { role }) }
}

/// Where and among whom a tenant's story happens.
async fn scene(
    db: &mut PgConnection,
    tenant: &Tenant,
    options: &SeedOptions,
    now: DateTime<Utc>,
) -> Result<Scene, SeedError> {
    let share = if tenant.id == 1 { 1 } else { 3 };
    Ok(Scene {
        tenant_id: tenant.id,
        zone: tenant.time_zone.parse().expect("the zones of the seed are names of the zone database"),
        currency: tenant.currency.to_owned(),
        now,
        ceos: people_of(db, tenant.id, &["ceo"]).await?,
        sellers: people_of(db, tenant.id, &["setter", "closer"]).await?,
        leads: options.leads / share,
        messages: options.messages / share,
    })
}

async fn exists(db: &mut PgConnection, table: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL").bind(table).fetch_one(db).await
}

/// Makes the figures of a tenant's story.
async fn figures(db: &mut PgConnection, tenant_id: i32) -> Result<(), SeedError> {
    // Reverting 020 leaves a database without kept figures, and the rest of the seed fits it.
    if exists(db, "metrics_state").await? {
        metrics::fill(db, tenant_id).await?;
    }
    Ok(())
}

async fn people_of(
    db: &mut PgConnection,
    tenant_id: i32,
    roles: &[&str],
) -> Result<Vec<Person>, sqlx::Error> {
    let rows: Vec<(Uuid, String)> = sqlx::query_as(
        "SELECT id, first_name FROM users WHERE tenant_id = $1 AND role = ANY($2) ORDER BY email",
    )
    .bind(tenant_id)
    .bind(roles)
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|(id, name)| Person { id, name }).collect())
}

/// Leaves ids and statistics as if the rows had come one by one.
async fn tidy(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT setval(pg_get_serial_sequence('tenants', 'id'), (SELECT max(id) FROM tenants))")
        .execute(&mut *db)
        .await?;
    sqlx::query(
        "ANALYZE tenants, users, lead_counts, seller_events, seller_metrics_daily, seller_metrics_hourly",
    )
    .execute(&mut *db)
    .await?;
    Ok(())
}
