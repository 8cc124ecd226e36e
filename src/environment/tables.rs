//! The tables of an environment file, one type each, exactly as they are written. No IO, no environment.

pub mod hosting;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Names of all tables.
pub const NAMES: [&str; 14] = [
    "backend", "build", "database", "ledger", "engine", "registry", "edge", "page", "limits", "smoke",
    "perf", "notify", "owners", "contacts",
];
/// Those that only an environment on a swarm has.
pub const HOSTING: [&str; 5] = ["engine", "registry", "edge", "page", "limits"];

/// What stands above the first table.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Top {
    /// Format version; 1.
    pub schema: u32,
    /// Where the environment runs.
    pub platform: PlatformName,
    /// File with secrets, relative to the repository root. The process environment wins over it.
    pub secrets_file: Option<String>,
    /// Good releases kept to go back to, besides the serving one; 1 to 50.
    #[serde(default = "three")]
    pub retention: usize,
    /// Seconds a replaced release goes on answering; 0 to 300.
    #[serde(default = "ten")]
    pub drain_seconds: u64,
    /// Seconds of watching after perf; 0 = none.
    #[serde(default)]
    pub watch_window_seconds: u64,
    /// Branch that may be deployed; absent = any.
    pub branch: Option<String>,
}

/// Platforms by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PlatformName {
    /// Processes on this machine.
    Process,
    /// Docker Engine's orchestrator.
    Swarm,
}

/// `[backend]`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Backend {
    /// Address users call; for `local` also the address the supervisor listens on.
    pub url: String,
    /// Seconds a release may take to say it is ready.
    #[serde(default = "thirty")]
    pub ready_deadline_seconds: u64,
    /// Variables for the backend, not secret.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// `[build]`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// Cargo profile: `release` (static) or `dev`.
    pub profile: Option<String>,
    /// A prebuilt server instead, relative to the repository root.
    pub artifact: Option<String>,
    /// Seconds that compiling may take before it is ended; 1 to 86,400.
    #[serde(default = "an_hour")]
    pub deadline_seconds: u64,
}

/// `[database]`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// crmctl runs a private PostgreSQL.
    #[serde(default)]
    pub embedded: bool,
    /// Key in the secrets file with the DSN of the backend's role.
    pub dsn_key: Option<String>,
    /// Key in the secrets file with the DSN of the migrator's role.
    pub migrator_dsn_key: Option<String>,
    /// Migrations that must be part of the release.
    #[serde(default)]
    pub required_migrations: Vec<i64>,
}

impl Database {
    /// Keys in the secrets file that it names.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.dsn_key.as_deref().into_iter().chain(self.migrator_dsn_key.as_deref())
    }
}

/// `[ledger]`: where the environment's lease and journal are.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// Key in the secrets file with the DSN of a database that operators share; absent = files in the state directory.
    pub dsn_key: Option<String>,
}

/// `[smoke]`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Smoke {
    /// Suite for the public address: a name in `config/suites`.
    #[serde(default = "smoke")]
    pub suite: String,
    /// Suite for the candidate.
    #[serde(default = "smoke")]
    pub gate: String,
    /// Tenant that suites speak for.
    #[serde(default = "one")]
    pub tenant_id: u32,
}

/// `[perf]`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Perf {
    /// Suite whose requests are the mix.
    #[serde(default = "smoke")]
    pub suite: String,
    /// Requests per second; 1 to 100,000.
    #[serde(default = "hundred")]
    pub rate: u32,
    /// Seconds; 1 to 3,600.
    #[serde(default = "five")]
    pub duration_seconds: u32,
    /// Thresholds (names in `config/thresholds.toml`) that must be measured and met.
    #[serde(default)]
    pub require: Vec<String>,
}

/// `[notify]`: messages about runs to a chat.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Notify {
    /// Key in the secrets file with the address of a Slack-compatible webhook; absent = nobody is told.
    pub webhook_key: Option<String>,
    /// What is told.
    #[serde(default = "everything")]
    pub events: Vec<NotifyEvent>,
}

impl Notify {
    /// The key is crmctl's own: its value reaches no release and makes none.
    pub fn is_webhook(&self, key: &str) -> bool {
        self.webhook_key.as_deref() == Some(key)
    }
}

/// What a message can be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotifyEvent {
    /// A run that changes something begins.
    Started,
    /// It did what was asked.
    Succeeded,
    /// It failed, was refused or stopped; nothing was switched.
    Failed,
    /// An earlier release serves again.
    RolledBack,
    /// A person is needed.
    Stuck,
}

/// `[owners]`: who looks after what.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Owners {
    /// Developers.
    pub dev: Option<String>,
    /// Quality assurance.
    pub qa: Option<String>,
    /// Operations.
    pub ops: Option<String>,
}

/// `[contacts]`: whom to call, by role; any key.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Contacts(pub BTreeMap<String, String>);

impl Owners {
    /// Those that are named, by what they look after.
    pub fn named(&self) -> BTreeMap<String, String> {
        let all = [("dev", &self.dev), ("qa", &self.qa), ("ops", &self.ops)];
        all.into_iter().filter_map(|(owner, name)| Some((owner.to_owned(), name.clone()?))).collect()
    }
}

fn everything() -> Vec<NotifyEvent> {
    use NotifyEvent::{Failed, RolledBack, Started, Stuck, Succeeded};
    vec![Started, Succeeded, Failed, RolledBack, Stuck]
}
fn three() -> usize {
    3
}
fn ten() -> u64 {
    10
}
fn thirty() -> u64 {
    30
}
fn five() -> u32 {
    5
}
fn hundred() -> u32 {
    100
}
fn an_hour() -> u64 {
    3_600
}
fn one() -> u32 {
    1
}
fn smoke() -> String {
    "smoke".to_owned()
}
