//! Every variable the backend or crmctl knows by name: what it is for, whether it is secret, what makes it
//! weak, where a first value comes from. One table; `config/env.staging.example`, `crmctl env` and preflight are written
//! from it.

/// How a value is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strength {
    /// Any text.
    Any,
    /// A password: at least this many bytes.
    AtLeast(usize),
    /// At least so many letters, digits, `-` and `_`: it stands in a configuration as it is.
    Word(usize),
    /// A PostgreSQL DSN with user and password.
    Dsn,
    /// `true` or `false`.
    Switch,
}

/// Where a first value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// So many random bytes, as hexadecimal digits.
    Made(usize),
    /// A DSN of this role, with a password that is made, and places to fill in.
    MadeFor(&'static str),
    /// Somebody has to say.
    Asked,
    /// This will do to begin with.
    Usual(&'static str),
}

/// What it belongs to; the order is that of the example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// PostgreSQL.
    Database,
    /// The cache.
    Redis,
    /// Tokens and other services.
    Keys,
    /// Where page and API are.
    Addresses,
    /// What is on and off.
    Features,
    /// What is told to whom.
    Logging,
    /// For crmctl alone.
    Crmctl,
}

impl Topic {
    /// All, in order.
    pub const ALL: [Self; 7] = [
        Self::Database,
        Self::Redis,
        Self::Keys,
        Self::Addresses,
        Self::Features,
        Self::Logging,
        Self::Crmctl,
    ];

    /// Its heading.
    pub const fn heading(self) -> &'static str {
        match self {
            Self::Database => "Database",
            Self::Redis => "Redis",
            Self::Keys => "Keys and tokens",
            Self::Addresses => "Addresses",
            Self::Features => "Features",
            Self::Logging => "Logging",
            Self::Crmctl => "For crmctl alone; no release is given these",
        }
    }
}

/// One variable.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Name.
    pub name: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// Its value must never be shown.
    pub secret: bool,
    /// It reaches the backend.
    pub backend: bool,
    /// What makes it weak.
    pub strength: Strength,
    /// What it belongs to.
    pub topic: Topic,
    /// Where a first value comes from.
    pub origin: Origin,
}

const fn secret(
    topic: Topic,
    name: &'static str,
    purpose: &'static str,
    strength: Strength,
    origin: Origin,
) -> Key {
    Key { name, purpose, secret: true, backend: true, strength, topic, origin }
}

const fn plain(
    topic: Topic,
    name: &'static str,
    purpose: &'static str,
    strength: Strength,
    origin: Origin,
) -> Key {
    Key { name, purpose, secret: false, backend: true, strength, topic, origin }
}

const fn own(
    topic: Topic,
    name: &'static str,
    purpose: &'static str,
    strength: Strength,
    origin: Origin,
) -> Key {
    Key { name, purpose, secret: true, backend: false, strength, topic, origin }
}

use Origin::{Asked, Made, MadeFor, Usual};
use Strength::{Any, AtLeast, Dsn, Switch, Word};
use Topic::{Addresses, Crmctl, Database, Features, Keys, Logging, Redis};

/// All of them.
pub const KEYS: [Key; 32] = [
    secret(Database, "POSTGRES_DSN", "database of the backend, as role crm_app", Dsn, MadeFor("crm_app")),
    own(
        Database,
        "POSTGRES_MIGRATOR_DSN",
        "the same database, as role crm_migrator",
        Dsn,
        MadeFor("crm_migrator"),
    ),
    own(
        Database,
        "POSTGRES_ADMIN_DSN",
        "a role that makes roles and databases; only crmctl provision uses it",
        Dsn,
        Asked,
    ),
    own(Database, "LEDGER_DSN", "the shared ledger's own database", Dsn, MadeFor("crm_ledger")),
    plain(Redis, "REDIS_HOST", "cache server", Any, Asked),
    plain(Redis, "REDIS_PORT", "cache server's port", Any, Usual("6379")),
    secret(Redis, "REDIS_PASSWORD", "cache server's password", AtLeast(8), Made(24)),
    secret(Keys, "JWT_SECRET", "signs access tokens", AtLeast(32), Made(32)),
    secret(Keys, "JWT_SECRET_PREVIOUS", "still verifies tokens while keys rotate", AtLeast(32), Asked),
    secret(
        Keys,
        "MACHINE_TOKEN",
        "lets another program hand in messages and read figures",
        AtLeast(32),
        Made(32),
    ),
    secret(Keys, "OPENAI_API_KEY", "assistant", AtLeast(16), Asked),
    plain(Keys, "META_APP_ID", "Meta application", Any, Asked),
    secret(Keys, "META_APP_SECRET", "verifies Meta's webhooks", AtLeast(16), Asked),
    secret(Keys, "META_VERIFY_TOKEN", "what Meta greets the webhook with", AtLeast(16), Made(16)),
    plain(Keys, "META_GRAPH_URL", "Meta's Graph API, when it is another", Any, Asked),
    plain(Keys, "META_GRAPH_VERSION", "its version, as v23.0", Any, Asked),
    plain(Keys, "META_GRAPH_TIMEOUT_MS", "longest wait for one of its answers", Any, Asked),
    plain(Addresses, "FRONTEND_URL", "address of the page", Any, Asked),
    plain(Addresses, "BACKEND_URL", "address of the API", Any, Asked),
    plain(Addresses, "CORS_ORIGINS", "other origins that may call the API", Any, Asked),
    plain(Features, "ENABLE_NOTIFICATIONS", "notifications on or off", Switch, Usual("true")),
    plain(Features, "ENABLE_SCHEDULED_TASKS", "background jobs on or off", Switch, Usual("true")),
    plain(Features, "ENABLE_METRICS_CACHE", "cache of metrics on or off", Switch, Usual("true")),
    plain(
        Logging,
        "METRICS_BIND",
        "where Prometheus reads figures, as 127.0.0.1:9100; no place for users",
        Any,
        Asked,
    ),
    plain(Logging, "LOG_LEVEL", "ERROR, WARN, INFO, DEBUG or TRACE", Any, Usual("INFO")),
    secret(Logging, "SENTRY_DSN", "error tracking", Any, Asked),
    own(Crmctl, "SMOKE_PASSWORD", "password of the accounts that smoke tests use", AtLeast(8), Made(16)),
    own(Crmctl, "CANDIDATE_KEY", "leads through the edge to a release that is tried", Word(16), Made(24)),
    Key { secret: false, ..own(Crmctl, "REGISTRY_USER", "account that pushes and pulls images", Any, Asked) },
    own(Crmctl, "REGISTRY_PASSWORD", "its password or token", AtLeast(8), Asked),
    own(Crmctl, "SLACK_WEBHOOK_URL", "address of the chat that is told about runs", Any, Asked),
    plain(Features, "CRM_FAULT", "breaks a test build on purpose; ignored by releases", Any, Asked),
];

/// The key of that name.
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}
