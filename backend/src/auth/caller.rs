//! The caller of a request as a verified token names them. Built only from a token (`auth::token`).

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// What a person is in their tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees and decides all of the tenant.
    Ceo,
    /// Vendedor who opens conversations.
    Setter,
    /// Vendedor who closes them.
    Closer,
    /// Sees leads, assigns none.
    Secretary,
}

impl Role {
    /// Every role, in the order of the permission table.
    pub const ALL: [Self; 4] = [Self::Ceo, Self::Setter, Self::Closer, Self::Secretary];

    /// The name in tokens and in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ceo => "ceo",
            Self::Setter => "setter",
            Self::Closer => "closer",
            Self::Secretary => "secretary",
        }
    }

    /// The role of a database name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// Whether this is a vendedor, who sees own figures only.
    #[must_use]
    pub const fn is_seller(self) -> bool {
        matches!(self, Self::Setter | Self::Closer)
    }
}

impl Display for Role {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A person with a valid token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// Their tenant; the only source of a tenant there is.
    pub tenant_id: i32,
    /// The person.
    pub user_id: Uuid,
    /// What they are.
    pub role: Role,
    /// The login this token came from.
    pub session_id: Uuid,
    /// The account's token version when the token was signed.
    pub token_version: i32,
}

/// Who a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Identity {
    /// No token was shown.
    Anonymous,
    /// The machine token was shown.
    Machine,
    /// A person.
    Person(Caller),
}
