//! Tables of an environment on Docker Engine's orchestrator: where the engine is, where images lie, what stands in front.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// All of them.
#[derive(Debug, Clone, Default)]
pub struct Hosting {
    /// `[engine]`.
    pub engine: Engine,
    /// `[registry]`.
    pub registry: Registry,
    /// `[edge]`.
    pub edge: Edge,
    /// `[page]`.
    pub page: Page,
    /// `[limits]`.
    pub limits: Limits,
}

/// `[engine]`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Engine {
    /// `unix:///var/run/docker.sock` or `ssh://user@host`: a manager of the swarm.
    pub address: Option<String>,
    /// Configuration of `ssh` other than the operator's, relative to the repository root.
    pub ssh_config: Option<String>,
}

/// `[registry]`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Registry {
    /// `registry.example/team/crm`; absent: images are given to the engine alone, which has one node then.
    pub repository: Option<String>,
}

/// `[edge]`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Edge {
    /// Image of Caddy, at least 2.6, as nodes find it.
    #[serde(default = "caddy")]
    pub image: String,
    /// A Caddy of this machine instead, put into an image as releases are; relative to the repository root.
    pub program: Option<String>,
    /// Where certificates come from.
    #[serde(default)]
    pub certificates: CertificatesName,
    /// PEM file with the certificates for all hosts, of `certificates = "files"`.
    pub certificate: Option<String>,
    /// PEM file with their key.
    pub key: Option<String>,
    /// Port of the host for HTTP.
    #[serde(default = "http")]
    pub http_port: u16,
    /// Port of the host for HTTPS.
    #[serde(default = "https")]
    pub https_port: u16,
    /// Where crmctl reaches the edge, whatever the name service says of its hosts.
    pub ip: Option<IpAddr>,
    /// PEM file with the authority that signs the edge's certificates, when it is one that machines do not trust.
    pub trust: Option<String>,
}

impl Default for Edge {
    fn default() -> Self {
        Self {
            image: caddy(),
            program: None,
            certificates: CertificatesName::default(),
            certificate: None,
            key: None,
            http_port: http(),
            https_port: https(),
            ip: None,
            trust: None,
        }
    }
}

/// Sources of certificates by name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CertificatesName {
    /// An ACME authority.
    #[default]
    Acme,
    /// An authority of the edge's own.
    Internal,
    /// Files of the operator's.
    Files,
    /// None: something in front of the edge has them.
    None,
}

/// `[page]`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// Address of the page, when it has a host of its own.
    pub url: Option<String>,
}

/// `[limits]`: what one task of a release may use.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Tasks side by side; 1 to 100.
    #[serde(default = "two")]
    pub replicas: u32,
    /// Memory in MiB; at least 64.
    #[serde(default = "half_a_gibibyte")]
    pub memory_mib: u32,
    /// Processors, as 0.5; at least 0.1.
    #[serde(default = "one")]
    pub cpus: f64,
    /// Processes and threads; at least 64.
    #[serde(default = "many")]
    pub pids: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { replicas: two(), memory_mib: half_a_gibibyte(), cpus: one(), pids: many() }
    }
}

fn caddy() -> String {
    "caddy:2".to_owned()
}
fn http() -> u16 {
    80
}
fn https() -> u16 {
    443
}
fn two() -> u32 {
    2
}
fn half_a_gibibyte() -> u32 {
    512
}
fn one() -> f64 {
    1.0
}
fn many() -> u32 {
    512
}
