//! Validated facts of one environment, as planning needs them. Names of secrets at most, never values.

use serde::{Deserialize, Serialize};

/// Where an environment runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlatformKind {
    /// Processes under crmctl's own supervisor on this machine.
    Process,
    /// Docker Engine's orchestrator.
    Swarm,
}

/// Where the bytes of a release come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BuildSource {
    /// Compiled from the checkout with this cargo profile (`release` or `dev`).
    Profile(String),
    /// A prebuilt server, path as given in the environment file.
    Artifact(String),
}

/// Load to run against the deployed release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PerfFacts {
    /// Suite whose requests are the mix.
    pub suite: String,
    /// Requests per second asked for.
    pub rate: u32,
    /// Length in seconds.
    pub duration_seconds: u32,
    /// Thresholds (by name) that must be measured and met.
    pub require: Vec<String>,
    /// Hash over the suite and the thresholds required: two loads compare only when it is equal.
    #[serde(default)]
    pub files: String,
}

/// Everything about an environment that a plan depends on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// Its name: the file name without `.toml`.
    pub name: String,
    /// Where it runs.
    pub platform: PlatformKind,
    /// Address users call.
    pub public_url: String,
    /// Where releases come from.
    pub build: BuildSource,
    /// crmctl owns the database server (private PostgreSQL) and seeds it.
    pub embedded_database: bool,
    /// Migrations that must be part of the release.
    pub required_migrations: Vec<i64>,
    /// Background jobs run at all.
    pub jobs: bool,
    /// Suite run against the public address.
    pub smoke_suite: String,
    /// Suite run against the candidate before it gets traffic.
    pub gate_suite: String,
    /// Load and its thresholds.
    pub perf: PerfFacts,
    /// Good releases kept to go back to, besides the serving one.
    pub retention: usize,
    /// Seconds a replaced release goes on answering.
    pub drain_seconds: u64,
    /// Seconds of watching after perf; 0 = none.
    pub watch_window_seconds: u64,
    /// HMAC over the configuration that reaches the release, 64 hexadecimal characters.
    pub fingerprint: String,
}
