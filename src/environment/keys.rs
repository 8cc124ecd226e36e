//! Every variable the backend or crmctl knows by name: what it is for, whether it is secret, what makes it
//! weak. One table; `config/env.staging.example` and preflight are written from it.

/// How a value is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strength {
    /// Any text.
    Any,
    /// A password: at least this many bytes.
    AtLeast(usize),
    /// A PostgreSQL DSN with user and password.
    Dsn,
    /// `true` or `false`.
    Switch,
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
}

const fn secret(name: &'static str, purpose: &'static str, strength: Strength) -> Key {
    Key { name, purpose, secret: true, backend: true, strength }
}

const fn plain(name: &'static str, purpose: &'static str, strength: Strength) -> Key {
    Key { name, purpose, secret: false, backend: true, strength }
}

const fn own(name: &'static str, purpose: &'static str, strength: Strength) -> Key {
    Key { name, purpose, secret: true, backend: false, strength }
}

/// All of them.
pub const KEYS: [Key; 27] = [
    secret("POSTGRES_DSN", "database of the backend, as role crm_app", Strength::Dsn),
    own("POSTGRES_MIGRATOR_DSN", "the same database, as role crm_migrator", Strength::Dsn),
    own("LEDGER_DSN", "the shared ledger's own database", Strength::Dsn),
    plain("REDIS_HOST", "cache server", Strength::Any),
    plain("REDIS_PORT", "cache server's port", Strength::Any),
    secret("REDIS_PASSWORD", "cache server's password", Strength::AtLeast(8)),
    secret("JWT_SECRET", "signs access tokens", Strength::AtLeast(32)),
    secret("JWT_SECRET_PREVIOUS", "still verifies tokens while keys rotate", Strength::AtLeast(32)),
    secret("OPENAI_API_KEY", "assistant", Strength::AtLeast(16)),
    plain("META_APP_ID", "Meta application", Strength::Any),
    secret("META_APP_SECRET", "verifies Meta's webhooks", Strength::AtLeast(16)),
    secret("META_VERIFY_TOKEN", "what Meta greets the webhook with", Strength::AtLeast(16)),
    plain("META_GRAPH_URL", "Meta's Graph API, when it is another", Strength::Any),
    plain("META_GRAPH_VERSION", "its version, as v23.0", Strength::Any),
    plain("META_GRAPH_TIMEOUT_MS", "longest wait for one of its answers", Strength::Any),
    plain("FRONTEND_URL", "address of the page", Strength::Any),
    plain("BACKEND_URL", "address of the API", Strength::Any),
    plain("ENABLE_NOTIFICATIONS", "notifications on or off", Strength::Switch),
    plain("ENABLE_SCHEDULED_TASKS", "background jobs on or off", Strength::Switch),
    plain("ENABLE_METRICS_CACHE", "cache of metrics on or off", Strength::Switch),
    plain(
        "METRICS_BIND",
        "where Prometheus reads figures, as 127.0.0.1:9100; no place for users",
        Strength::Any,
    ),
    plain("LOG_LEVEL", "ERROR, WARN, INFO, DEBUG or TRACE", Strength::Any),
    secret("SENTRY_DSN", "error tracking", Strength::Any),
    plain("CORS_ORIGINS", "other origins that may call the API", Strength::Any),
    own("SMOKE_PASSWORD", "password of the accounts that smoke tests use", Strength::AtLeast(8)),
    own("SLACK_WEBHOOK_URL", "address of the chat that is told about runs", Strength::Any),
    plain("CRM_FAULT", "breaks a test build on purpose; ignored by releases", Strength::Any),
];

/// The key of that name.
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}
