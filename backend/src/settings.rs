//! What the server is told by its environment, as one validated struct. Every name may also be given
//! as `NAME_FILE`. All mistakes are reported together. Owns no defaults of other modules and does no
//! IO besides reading those files; secrets never show in `Debug`.

mod address;
mod meta;
mod secret;
mod source;

use std::fmt::{self, Debug, Formatter};
use std::net::SocketAddr;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

pub use address::{Dsn, Network};
pub use meta::MetaSettings;
pub use source::Source;

/// A setting that cannot be used, with the name to mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` {problem}")]
pub struct Mistake {
    /// Name of the environment variable.
    pub name: String,
    /// What is wrong with its value, without the value when it is secret.
    pub problem: String,
}

/// Every mistake found, never only the first.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct SettingsError(pub Vec<Mistake>);

impl SettingsError {
    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some("each name may also be given as `NAME_FILE`, a file that holds the value".to_owned())
    }
}

/// Where Redis is, when there is one.
#[derive(Debug, Clone)]
pub struct RedisSettings {
    /// Host name or address (`REDIS_HOST`).
    pub host: String,
    /// Port (`REDIS_PORT`).
    pub port: u16,
    /// Password (`REDIS_PASSWORD`).
    pub password: Option<SecretString>,
}

/// How many logins may fail inside one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThrottleSettings {
    /// Failures of one account (`LOGIN_FAILURES_PER_ACCOUNT`).
    pub per_account: u32,
    /// Failures from one address (`LOGIN_FAILURES_PER_ADDRESS`).
    pub per_address: u32,
    /// Length of the window, from its first failure (`LOGIN_WINDOW_SECONDS`).
    pub window: Duration,
}

/// What is switched on (`ENABLE_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Features {
    /// Notifications are produced and shown.
    pub notifications: bool,
    /// Jobs run.
    pub scheduled_tasks: bool,
    /// Metrics come from the cache.
    pub metrics_cache: bool,
}

/// The settings of one server process.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen when no socket was handed over (`BIND`).
    pub bind: SocketAddr,
    /// Where Prometheus reads figures, when it does; no place for users (`METRICS_BIND`).
    pub metrics_bind: Option<SocketAddr>,
    /// Release id, on every answer as `x-crm-release` (`CRM_RELEASE`).
    pub release: String,
    /// `local`, `staging`, `production` … (`CRM_ENVIRONMENT`).
    pub environment: String,
    /// Public address of this API (`BACKEND_URL`).
    pub backend_url: Option<Url>,
    /// Connection to the database as the plain application role (`POSTGRES_DSN`).
    pub database: Dsn,
    /// Most connections the pool opens (`POSTGRES_MAX_CONNECTIONS`).
    pub database_connections: u32,
    /// Longest time one statement may take (`POSTGRES_STATEMENT_TIMEOUT_MS`).
    pub statement_timeout: Duration,
    /// Redis, when configured.
    pub redis: Option<RedisSettings>,
    /// Key that signs tokens (`JWT_SECRET`).
    pub jwt_secret: SecretString,
    /// Key that still verifies tokens during a rotation (`JWT_SECRET_PREVIOUS`).
    pub jwt_secret_previous: Option<SecretString>,
    /// How often a login may fail.
    pub throttle: ThrottleSettings,
    /// Token of other programs (`MACHINE_TOKEN`).
    pub machine_token: Option<SecretString>,
    /// Meta's lead forms, when configured.
    pub meta: Option<MetaSettings>,
    /// How long a draining server keeps answering (`DRAIN_SECONDS`).
    pub drain: Duration,
    /// Longest time one request may take (`REQUEST_TIMEOUT_SECONDS`).
    pub request_timeout: Duration,
    /// Largest request body in bytes (`BODY_LIMIT_BYTES`).
    pub body_limit: usize,
    /// Origins a browser may call from (`CORS_ORIGINS` and `FRONTEND_URL`).
    pub cors_origins: Vec<String>,
    /// Proxies whose `X-Forwarded-For` is believed (`TRUSTED_PROXIES`).
    pub trusted_proxies: Vec<Network>,
    /// Switches.
    pub features: Features,
    /// Filter of the log, in tracing's syntax (`LOG_LEVEL`).
    pub log_level: String,
    /// Who is told of errors (`SENTRY_DSN`).
    pub sentry_dsn: Option<SentryDsn>,
}

/// Address and key of a project of Sentry; its text is never shown.
#[derive(Clone)]
pub struct SentryDsn(pub(crate) sentry_types::Dsn);

impl Debug for SentryDsn {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str("SentryDsn(hidden)")
    }
}

impl Settings {
    /// Reads the settings from `source`.
    ///
    /// # Errors
    /// Every mistake together: missing, malformed, weak or contradictory values.
    pub fn read(source: Source) -> Result<Self, SettingsError> {
        let mut from = source;
        let settings = Self::take(&mut from);
        from.finish()?;
        Ok(settings.expect("a value is missing only together with a mistake"))
    }

    /// Every name is read before anything is missed, so that one mistake hides no other.
    fn take(from: &mut Source) -> Option<Self> {
        let database = from.required("POSTGRES_DSN", address::postgres);
        let jwt_secret = from.required("JWT_SECRET", secret::signing_key);
        let bind = from.parsed("BIND", SocketAddr::from(([127, 0, 0, 1], 8000)));
        let metrics_bind = from.optional("METRICS_BIND", |text| {
            text.parse().map_err(|_| "must be an address and a port, as 127.0.0.1:9100".to_owned())
        });
        let release = from.matching("CRM_RELEASE", "unreleased", is_label);
        let environment = from.matching("CRM_ENVIRONMENT", "local", is_label);
        let statement_timeout = from.within("POSTGRES_STATEMENT_TIMEOUT_MS", 5_000, 10..=600_000);
        let drain = from.within("DRAIN_SECONDS", 10, 0..=600);
        let request_timeout = from.within("REQUEST_TIMEOUT_SECONDS", 30, 1..=600);
        let backend_url = from.optional("BACKEND_URL", address::http_url);
        let database_connections = from.within("POSTGRES_MAX_CONNECTIONS", 10, 1..=500);
        let redis = redis(from);
        let jwt_secret_previous = from.optional("JWT_SECRET_PREVIOUS", secret::signing_key);
        let throttle = throttle(from);
        let machine_token = from.optional("MACHINE_TOKEN", secret::signing_key);
        let meta = meta::read(from);
        let body_limit = from.within("BODY_LIMIT_BYTES", 1024 * 1024, 1024..=64 * 1024 * 1024);
        let cors_origins = address::origins(from);
        let trusted_proxies = address::networks(from);
        let features = features(from);
        let log_level = log_level(from);
        let sentry_dsn = from.optional("SENTRY_DSN", |text| match text.parse() {
            Ok(dsn) => Ok(SentryDsn(dsn)),
            Err(_) => Err("must be a DSN of Sentry, as https://key@sentry.example.com/1".to_owned()),
        });
        Some(Self {
            bind,
            metrics_bind,
            release,
            environment,
            backend_url,
            database: database?,
            database_connections,
            statement_timeout: Duration::from_millis(statement_timeout),
            redis,
            jwt_secret: jwt_secret?,
            jwt_secret_previous,
            throttle,
            machine_token,
            meta,
            drain: Duration::from_secs(drain),
            request_timeout: Duration::from_secs(request_timeout),
            body_limit,
            cors_origins,
            trusted_proxies,
            features,
            log_level,
            sentry_dsn,
        })
    }
}

fn features(from: &mut Source) -> Features {
    Features {
        notifications: from.switch("ENABLE_NOTIFICATIONS", true),
        scheduled_tasks: from.switch("ENABLE_SCHEDULED_TASKS", true),
        metrics_cache: from.switch("ENABLE_METRICS_CACHE", true),
    }
}

fn throttle(from: &mut Source) -> ThrottleSettings {
    ThrottleSettings {
        per_account: from.within("LOGIN_FAILURES_PER_ACCOUNT", 10, 1..=10_000),
        per_address: from.within("LOGIN_FAILURES_PER_ADDRESS", 100, 1..=1_000_000),
        window: Duration::from_secs(from.within("LOGIN_WINDOW_SECONDS", 900, 1..=86_400)),
    }
}

fn redis(from: &mut Source) -> Option<RedisSettings> {
    let host = from.text("REDIS_HOST");
    let given = ["REDIS_PORT", "REDIS_PASSWORD"].map(|name| from.is_set(name));
    let port = from.within("REDIS_PORT", 6379, 1..=65_535);
    let password = from.text("REDIS_PASSWORD").map(SecretString::from);
    if host.is_none() && given.contains(&true) {
        from.mistake("REDIS_HOST", "is missing, but other `REDIS_` settings are there");
    }
    host.map(|host| RedisSettings { host, port, password })
}

fn log_level(from: &mut Source) -> String {
    let text = from.text("LOG_LEVEL").unwrap_or_else(|| "info".to_owned());
    // `level` or `target=level`, in a list. A lone word that is no level would name a target, which
    // nobody means who mistypes a level.
    let parts: Option<Vec<String>> = text
        .split(',')
        .map(|part| match part.trim().split_once('=') {
            Some((target, level)) => Some(format!("{target}={}", level_name(level)?)),
            None => level_name(part.trim()).map(ToOwned::to_owned),
        })
        .collect();
    let filter = parts.map(|parts| parts.join(","));
    match filter.filter(|filter| filter.parse::<tracing_subscriber::filter::Targets>().is_ok()) {
        Some(filter) => filter,
        None => {
            from.mistake(
                "LOG_LEVEL",
                "must be `error`, `warn`, `info`, `debug`, `trace` or `target=level,…`",
            );
            text
        }
    }
}

/// The usual names, in any case, of other worlds too.
fn level_name(text: &str) -> Option<&'static str> {
    match text.to_ascii_lowercase().as_str() {
        "trace" => Some("trace"),
        "debug" => Some("debug"),
        "info" => Some("info"),
        "warn" | "warning" => Some("warn"),
        "error" | "critical" | "fatal" => Some("error"),
        "off" => Some("off"),
        _ => None,
    }
}

/// Labels go into headers and logs as they are.
fn is_label(value: &str) -> Result<(), &'static str> {
    let plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if plain && (1..=64).contains(&value.len()) {
        return Ok(());
    }
    Err("must be 1 to 64 of `a-z A-Z 0-9 . _ -`")
}

#[cfg(test)]
mod tests;
