//! Two tenants and somebody of every kind in them.

use std::sync::LazyLock;

use crm_backend::policy::Role;
use uuid::Uuid;

use super::TestDatabase;

/// Everybody's password.
pub(crate) const PASSWORD: &str = "correcto caballo bateria";
/// Hashed once: it takes tens of milliseconds.
static HASH: LazyLock<String> = LazyLock::new(|| crm_backend::password::hash(PASSWORD).unwrap());

/// Somebody in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Person {
    Ceo,
    Setter,
    Closer,
    Secretary,
    Suspended,
    Pending,
    /// CEO of the other tenant.
    OtherCeo,
    /// Of a suspended tenant.
    Evicted,
}

impl Person {
    const ALL: [Self; 8] = [
        Self::Ceo,
        Self::Setter,
        Self::Closer,
        Self::Secretary,
        Self::Suspended,
        Self::Pending,
        Self::OtherCeo,
        Self::Evicted,
    ];

    pub(crate) fn email(self) -> String {
        format!("{self:?}@example.com").to_lowercase()
    }

    pub(crate) fn id(self) -> Uuid {
        Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + self as u128)
    }

    pub(crate) fn tenant(self) -> i32 {
        match self {
            Self::OtherCeo => 2,
            Self::Evicted => 3,
            _ => 1,
        }
    }

    pub(crate) fn role(self) -> Role {
        match self {
            Self::Ceo | Self::OtherCeo | Self::Evicted => Role::Ceo,
            Self::Closer => Role::Closer,
            Self::Secretary => Role::Secretary,
            Self::Setter | Self::Suspended | Self::Pending => Role::Setter,
        }
    }

    /// The one with this role in the first tenant.
    pub(crate) fn with(role: Role) -> Self {
        match role {
            Role::Ceo => Self::Ceo,
            Role::Setter => Self::Setter,
            Role::Closer => Self::Closer,
            Role::Secretary => Self::Secretary,
        }
    }

    fn status(self) -> &'static str {
        match self {
            Self::Suspended => "suspended",
            Self::Pending => "pending",
            _ => "active",
        }
    }
}

/// Moves everybody in.
pub(super) async fn settle(database: &TestDatabase) {
    sqlx::raw_sql(
        "INSERT INTO tenants (id, name, status) VALUES
         (1, 'Uno', 'active'), (2, 'Dos', 'active'), (3, 'Tres', 'suspended')",
    )
    .execute(&database.migrator)
    .await
    .unwrap();
    for person in Person::ALL {
        sqlx::query(
            "INSERT INTO users (tenant_id, id, email, password_hash, role, status, first_name, last_name)
             VALUES ($1, $2, $3, $4, $5, $6, $7, 'Prueba')",
        )
        .bind(person.tenant())
        .bind(person.id())
        .bind(person.email())
        .bind(HASH.as_str())
        .bind(person.role().name())
        .bind(person.status())
        .bind(format!("{person:?}"))
        .execute(&database.migrator)
        .await
        .unwrap();
    }
}
