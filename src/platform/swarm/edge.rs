//! The edge: Caddy in front of the backend, published on the host's own ports. Its configuration is the same whatever is
//! deployed, since every change of it costs requests: it finds tasks by name, each second anew, and leads whoever knows the
//! candidate header to the candidate. Parameters were measured: ADR 43.

mod caddyfile;
mod running;

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard::models::{
    EndpointPortConfig, EndpointPortConfigProtocolEnum, EndpointPortConfigPublishModeEnum, EndpointSpec,
    EndpointSpecModeEnum, Mount, MountType, NetworkAttachmentConfig, NetworkCreateRequest, SecretSpec,
    ServiceSpec, ServiceSpecMode, ServiceSpecModeReplicated, TaskSpec, TaskSpecContainerSpec,
    TaskSpecContainerSpecDnsConfig, TaskSpecContainerSpecFile, TaskSpecContainerSpecSecrets,
};
use bollard::query_parameters::{
    ListNetworksOptionsBuilder, ListSecretsOptionsBuilder, ListServicesOptionsBuilder,
};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::SwarmPlatform;
use super::names::Names;
use crate::docker::EngineError;

/// Kind of its objects.
const EDGE: &str = "edge";
/// Where it listens, inside: ports that need no rights.
const HTTP: u16 = 8080;
const HTTPS: u16 = 8443;
/// Place of its configuration, inside. A secret, since the candidate header is in it.
const CONFIGURATION: &str = "/run/secrets/Caddyfile";
/// Names of its own certificate and key, inside.
const CERTIFICATE: &str = "edge.pem";
const KEY: &str = "edge.key";
/// As Caddy is begun.
pub const ARGUMENTS: [&str; 5] = ["run", "--config", CONFIGURATION, "--adapter", "caddyfile"];

/// What the edge must know.
#[derive(Clone)]
pub struct EdgeOptions {
    /// Image of Caddy, at least 2.6.
    pub image: String,
    /// Names it answers to; the first is the backend's.
    pub hosts: Vec<String>,
    /// Port of the host for HTTP.
    pub http_port: u16,
    /// Port of the host for HTTPS.
    pub https_port: u16,
    /// Where certificates come from.
    pub certificates: Certificates,
    /// Value of the candidate header.
    pub candidate: SecretString,
}

/// Where certificates come from.
#[derive(Debug, Clone)]
pub enum Certificates {
    /// There are none: HTTP only, behind something that has them.
    None,
    /// From an ACME authority, by HTTP or TLS challenge on the ports 80 and 443.
    Acme,
    /// From an authority of its own, which clients have to trust.
    Internal,
    /// These, for all hosts; another one is another edge.
    Files {
        /// Chain, PEM, the host's own first.
        certificate: String,
        /// Its key, PEM.
        key: SecretString,
    },
}

impl Certificates {
    fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}

impl SwarmPlatform {
    /// Makes network and edge where they are missing; whether anything was. An edge that is there is not touched.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn ensure_edge(&self, options: &EdgeOptions) -> Result<bool, EngineError> {
        let made_network = self.ensure_network().await?;
        if self.has_edge().await? {
            return Ok(made_network);
        }
        let mut files = vec![self.kept("Caddyfile", &caddyfile::caddyfile(&self.names, options)).await?];
        if let Certificates::Files { certificate, key } = &options.certificates {
            files.push(self.kept(CERTIFICATE, certificate).await?);
            files.push(self.kept(KEY, key.expose_secret()).await?);
        }
        self.make(service(&self.names, options, &files)).await?;
        Ok(true)
    }

    async fn ensure_network(&self) -> Result<bool, EngineError> {
        let name = self.names.network();
        let filter = HashMap::from([("name".to_owned(), vec![name.clone()])]);
        let options = ListNetworksOptionsBuilder::default().filters(&filter).build();
        let found = self
            .options
            .engine
            .ask("list its networks", |client| async move { client.list_networks(Some(options)).await })
            .await?;
        if found.iter().any(|network| network.name.as_deref() == Some(&name)) {
            return Ok(false);
        }
        let request = NetworkCreateRequest {
            name,
            driver: Some("overlay".to_owned()),
            labels: Some(self.names.labels("network")),
            ..NetworkCreateRequest::default()
        };
        self.options
            .engine
            .ask("make a network", |client| async move { client.create_network(request).await })
            .await?;
        Ok(true)
    }

    /// Whether the environment has one.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn has_edge(&self) -> Result<bool, EngineError> {
        let options = ListServicesOptionsBuilder::default().filters(&self.names.filter(EDGE)).build();
        let found = self
            .options
            .engine
            .ask("list its services", |client| async move { client.list_services(Some(options)).await })
            .await?;
        Ok(!found.is_empty())
    }

    /// A file of the edge, as a secret.
    async fn kept(&self, file: &'static str, text: &str) -> Result<Kept, EngineError> {
        let hash = hex::encode(Sha256::digest(text));
        let name = format!("{}-{}", self.names.edge(), &hash[..12]);
        let filter = HashMap::from([("name".to_owned(), vec![name.clone()])]);
        let listing = ListSecretsOptionsBuilder::default().filters(&filter).build();
        let known = self
            .options
            .engine
            .ask("list its secrets", |client| async move { client.list_secrets(Some(listing)).await })
            .await?;
        if let Some(id) = known.into_iter().find_map(|secret| secret.id) {
            return Ok(Kept { file, name, id });
        }
        let spec = SecretSpec {
            name: Some(name.clone()),
            labels: Some(self.names.labels(EDGE)),
            data: Some(STANDARD.encode(text)),
            ..SecretSpec::default()
        };
        let made = self
            .options
            .engine
            .ask("keep a file of the edge", |client| async move { client.create_secret(spec).await })
            .await?;
        Ok(Kept { file, name, id: made.id })
    }
}

/// A file that the engine keeps as a secret.
struct Kept {
    /// Its name in the edge.
    file: &'static str,
    /// Name of the secret.
    name: String,
    id: String,
}

fn service(names: &Names, options: &EdgeOptions, files: &[Kept]) -> ServiceSpec {
    let port = |inside: u16, outside: u16| EndpointPortConfig {
        protocol: Some(EndpointPortConfigProtocolEnum::TCP),
        target_port: Some(i64::from(inside)),
        published_port: Some(i64::from(outside)),
        publish_mode: Some(EndpointPortConfigPublishModeEnum::HOST),
        ..EndpointPortConfig::default()
    };
    let mut ports = vec![port(HTTP, options.http_port)];
    if !options.certificates.is_none() {
        ports.push(port(HTTPS, options.https_port));
    }
    ServiceSpec {
        name: Some(names.edge()),
        labels: Some(names.labels(EDGE)),
        task_template: Some(TaskSpec {
            container_spec: Some(container(names, options, files)),
            networks: Some(vec![NetworkAttachmentConfig {
                target: Some(names.network()),
                ..NetworkAttachmentConfig::default()
            }]),
            ..TaskSpec::default()
        }),
        mode: Some(ServiceSpecMode {
            replicated: Some(ServiceSpecModeReplicated { replicas: Some(1) }),
            ..ServiceSpecMode::default()
        }),
        endpoint_spec: Some(EndpointSpec { mode: Some(EndpointSpecModeEnum::DNSRR), ports: Some(ports) }),
        ..ServiceSpec::default()
    }
}

fn container(names: &Names, options: &EdgeOptions, files: &[Kept]) -> TaskSpecContainerSpec {
    let kept = |target: &str, typ: MountType, source: Option<String>| Mount {
        target: Some(target.to_owned()),
        source,
        typ: Some(typ),
        ..Mount::default()
    };
    TaskSpecContainerSpec {
        image: Some(options.image.clone()),
        labels: Some(names.labels(EDGE)),
        args: Some(ARGUMENTS.map(str::to_owned).to_vec()),
        env: Some(vec!["HOME=/tmp".to_owned()]),
        read_only: Some(true),
        capability_drop: Some(vec!["ALL".to_owned()]),
        // The project's own image gives its program this one as a file capability, and without it in the bounding set it is not run.
        capability_add: Some(vec!["CAP_NET_BIND_SERVICE".to_owned()]),
        mounts: Some(vec![
            kept("/tmp", MountType::TMPFS, None),
            kept("/data", MountType::VOLUME, Some(format!("{}-data", names.edge()))),
        ]),
        // Without it a name that is missing is asked of the outside resolver, and when that one is dead, lookups hang.
        dns_config: Some(TaskSpecContainerSpecDnsConfig {
            options: Some(vec!["ndots:1".to_owned()]),
            ..TaskSpecContainerSpecDnsConfig::default()
        }),
        secrets: Some(files.iter().map(mounted).collect()),
        ..TaskSpecContainerSpec::default()
    }
}

fn mounted(kept: &Kept) -> TaskSpecContainerSpecSecrets {
    TaskSpecContainerSpecSecrets {
        file: Some(TaskSpecContainerSpecFile {
            name: Some(kept.file.to_owned()),
            // Images of Caddy differ in their user, and nothing else runs there.
            uid: Some("0".to_owned()),
            gid: Some("0".to_owned()),
            mode: Some(0o444),
        }),
        secret_id: Some(kept.id.clone()),
        secret_name: Some(kept.name.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_certificates_one_port_is_published() {
        let (names, options) = (Names::new("staging"), caddyfile::tests::options(Certificates::None));
        let ports = service(&names, &options, &[]).endpoint_spec.unwrap().ports;
        assert_eq!(ports.unwrap().len(), 1);
    }
}
