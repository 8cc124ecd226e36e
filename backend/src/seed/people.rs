//! The tenants of the seed and the accounts that log in to them. Makes what is missing and keeps the
//! passwords of its own accounts as given; touches no other account.

use sqlx::PgConnection;
use uuid::Uuid;

use super::{SeedError, SeedOptions};
use crate::password;

/// One tenant as the seed wants it.
pub(crate) struct Tenant {
    pub(crate) id: i32,
    pub(crate) name: &'static str,
    pub(crate) time_zone: &'static str,
    pub(crate) currency: &'static str,
}

/// One account as the seed wants it.
pub(crate) struct Account {
    pub(crate) tenant_id: i32,
    pub(crate) email: String,
    pub(crate) role: &'static str,
    pub(crate) first_name: &'static str,
    pub(crate) last_name: &'static str,
}

/// What became of an account.
pub(crate) enum Ensured {
    Created,
    PasswordSet,
    Unchanged,
}

/// The tenants, by id.
pub(crate) const TENANTS: [Tenant; 2] = [
    Tenant { id: 1, name: "Andina Cursos", time_zone: "America/Argentina/Buenos_Aires", currency: "ARS" },
    Tenant { id: 2, name: "Hogar Mérida", time_zone: "America/Mexico_City", currency: "MXN" },
];

const FURTHER_SELLERS: [(&str, &str); 8] = [
    ("Bruno", "Acosta"),
    ("Julieta", "Paz"),
    ("Hernán", "Toledo"),
    ("Micaela", "Sosa"),
    ("Federico", "Luna"),
    ("Abril", "Navarro"),
    ("Gonzalo", "Ferreyra"),
    ("Pilar", "Domínguez"),
];

/// The accounts: the fixed ones, and as many further vendedores of tenant 1 as asked.
pub(crate) fn accounts(options: &SeedOptions) -> Vec<Account> {
    let account = |tenant_id, email: &str, role, first_name, last_name| Account {
        tenant_id,
        email: email.to_owned(),
        role,
        first_name,
        last_name,
    };
    let mut accounts = vec![
        account(1, "test@staging.com", "ceo", "Carolina", "Méndez"),
        account(1, "vendedor@staging.com", "closer", "Martín", "Rojas"),
        account(1, "otro@staging.com", "setter", "Lucía", "Ferrari"),
        account(1, "secretaria@staging.com", "secretary", "Elena", "Quintana"),
        account(2, "ceo2@staging.com", "ceo", "Rodrigo", "Cervantes"),
        account(2, "vendedor.hogar@staging.com", "closer", "Ximena", "Uribe"),
        account(2, "otro.hogar@staging.com", "setter", "Óscar", "Villegas"),
    ];
    for number in 3..=options.sellers.max(2) {
        let (first_name, last_name) = FURTHER_SELLERS[(number - 3) % FURTHER_SELLERS.len()];
        let role = if number % 2 == 1 { "closer" } else { "setter" };
        accounts.push(account(1, &format!("vendedor{number}@staging.com"), role, first_name, last_name));
    }
    accounts
}

/// Makes the tenant when its id is free.
///
/// # Errors
/// [`SeedError::ForeignTenant`] when the id belongs to a tenant that the seed did not make.
pub(crate) async fn ensure_tenant(db: &mut PgConnection, tenant: &Tenant) -> Result<bool, SeedError> {
    let found: Option<(String, bool)> =
        sqlx::query_as("SELECT name, settings ? 'seed' FROM tenants WHERE id = $1")
            .bind(tenant.id)
            .fetch_optional(&mut *db)
            .await?;
    match found {
        Some((_, true)) => return Ok(false),
        Some((name, false)) => return Err(SeedError::ForeignTenant { id: tenant.id, name }),
        None => {}
    }
    sqlx::query(
        "INSERT INTO tenants (id, name, time_zone, currency, settings) \
         VALUES ($1, $2, $3, $4, jsonb_build_object('seed', 1))",
    )
    .bind(tenant.id)
    .bind(tenant.name)
    .bind(tenant.time_zone)
    .bind(tenant.currency)
    .execute(&mut *db)
    .await?;
    Ok(true)
}

/// Makes the account, or sets its password when the given one does not open it; `hashed` is that password as it is
/// stored, once somebody needed it.
///
/// # Errors
/// [`SeedError::ForeignAccount`] when another tenant has that login name.
pub(crate) async fn ensure_account(
    db: &mut PgConnection,
    account: &Account,
    fresh_id: Uuid,
    secret: &str,
    hashed: &mut Option<String>,
) -> Result<Ensured, SeedError> {
    let found: Option<(i32, Uuid, String)> =
        sqlx::query_as("SELECT tenant_id, id, password_hash FROM users WHERE email = $1")
            .bind(&account.email)
            .fetch_optional(&mut *db)
            .await?;
    let Some((tenant_id, id, phc)) = found else {
        sqlx::query(
            "INSERT INTO users (tenant_id, id, email, password_hash, role, status, first_name, last_name) \
             VALUES ($1, $2, $3, $4, $5, 'active', $6, $7)",
        )
        .bind(account.tenant_id)
        .bind(fresh_id)
        .bind(&account.email)
        .bind(hash(secret, hashed).await?)
        .bind(account.role)
        .bind(account.first_name)
        .bind(account.last_name)
        .execute(&mut *db)
        .await?;
        return Ok(Ensured::Created);
    };
    if tenant_id != account.tenant_id {
        return Err(SeedError::ForeignAccount { email: account.email.clone() });
    }
    let candidate = secret.to_owned();
    if tokio::task::spawn_blocking(move || password::verify(&candidate, &phc)).await? {
        return Ok(Ensured::Unchanged);
    }
    sqlx::query(
        "UPDATE users SET password_hash = $3, token_version = token_version + 1, password_changed_at = now(), \
         updated_at = now() WHERE tenant_id = $1 AND id = $2",
    )
    .bind(tenant_id)
    .bind(id)
    .bind(hash(secret, hashed).await?)
    .execute(&mut *db)
    .await?;
    Ok(Ensured::PasswordSet)
}

/// The password as it is stored, worked out once: all accounts of the seed have the same one.
async fn hash(secret: &str, hashed: &mut Option<String>) -> Result<String, SeedError> {
    if let Some(known) = hashed {
        return Ok(known.clone());
    }
    let secret = secret.to_owned();
    let fresh = tokio::task::spawn_blocking(move || password::hash(&secret)).await??;
    Ok(hashed.insert(fresh).clone())
}
