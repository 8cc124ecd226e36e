//! The edge: Caddy in front of the backend, published on the host's own ports. Its configuration is the same whatever is
//! deployed, since every change of it costs requests: it finds tasks by name, each second anew, and leads whoever knows the
//! candidate header to the candidate. Parameters were measured: ADR 43.

mod caddyfile;

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard::models::{
    EndpointPortConfig, EndpointPortConfigProtocolEnum, EndpointPortConfigPublishModeEnum, EndpointSpec,
    EndpointSpecModeEnum, Mount, MountType, NetworkAttachmentConfig, NetworkCreateRequest, SecretSpec,
    ServiceSpec, ServiceSpecMode, ServiceSpecModeReplicated, Task, TaskSpec, TaskSpecContainerSpec,
    TaskSpecContainerSpecDnsConfig, TaskSpecContainerSpecFile, TaskSpecContainerSpecSecrets, TaskState,
};
use bollard::query_parameters::{
    ListNetworksOptionsBuilder, ListSecretsOptionsBuilder, ListServicesOptionsBuilder,
    ListTasksOptionsBuilder,
};
use phases::engine::failure::{Failure, FailureClass};
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use tokio::time::{Duration, Instant, sleep};

use super::SwarmPlatform;
use super::names::Names;
use crate::docker::EngineError;
use crate::error::chain;

/// Longest wait for its first task: its image may have to be pulled.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often it is looked at.
const PERIOD: Duration = Duration::from_millis(200);
/// Kind of its objects.
const EDGE: &str = "edge";
/// Where it listens, inside: ports that need no rights.
const HTTP: u16 = 8080;
const HTTPS: u16 = 8443;
/// Place of its configuration, inside. A secret, since the candidate header is in it.
const CONFIGURATION: &str = "/run/secrets/Caddyfile";
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Certificates {
    /// There are none: HTTP only, behind something that has them.
    None,
    /// From an ACME authority, by HTTP or TLS challenge on the ports 80 and 443.
    Acme,
    /// From an authority of its own, which clients have to trust.
    Internal,
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
        let secret = self.edge_configuration(options).await?;
        let spec = service(&self.names, options, &secret);
        self.make(spec).await?;
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

    /// Waits until the edge runs.
    ///
    /// # Errors
    /// It does not, with what the engine says of its last try.
    pub async fn until_edge_runs(&self) -> Result<(), Failure> {
        let begun = Instant::now();
        loop {
            let tasks = self.edge_tasks().await;
            let tasks = tasks.map_err(|error| {
                Failure::new(FailureClass::Failed, chain(&error)).hint(error.hint())
            })?;
            let state = |task: &Task| task.status.as_ref().and_then(|status| status.state);
            if tasks.iter().any(|task| state(task) == Some(TaskState::RUNNING)) {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                let said = tasks.iter().find_map(|task| {
                    task.status.as_ref()?.err.clone().filter(|error| !error.is_empty())
                });
                let said = said.unwrap_or_else(|| "the engine does not say why".to_owned());
                let message = format!("the edge does not run after {} s: {said}", PATIENCE.as_secs());
                let hint = format!("see `docker service ps {}`: its ports may be taken", self.names.edge());
                return Err(Failure::new(FailureClass::Failed, message).hint(hint));
            }
            sleep(PERIOD).await;
        }
    }

    async fn edge_tasks(&self) -> Result<Vec<Task>, EngineError> {
        let filter = HashMap::from([("service".to_owned(), vec![self.names.edge()])]);
        let options = ListTasksOptionsBuilder::default().filters(&filter).build();
        self.options
            .engine
            .ask("list its tasks", |client| async move { client.list_tasks(Some(options)).await })
            .await
    }

    /// Its configuration as a secret; gives name and id.
    async fn edge_configuration(&self, options: &EdgeOptions) -> Result<(String, String), EngineError> {
        let text = caddyfile::caddyfile(&self.names, options);
        let hash = hex::encode(Sha256::digest(&text));
        let name = format!("{}-{}", self.names.edge(), &hash[..12]);
        let filter = HashMap::from([("name".to_owned(), vec![name.clone()])]);
        let listing = ListSecretsOptionsBuilder::default().filters(&filter).build();
        let known = self
            .options
            .engine
            .ask("list its secrets", |client| async move { client.list_secrets(Some(listing)).await })
            .await?;
        if let Some(id) = known.into_iter().find_map(|secret| secret.id) {
            return Ok((name, id));
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
            .ask("keep the edge's configuration", |client| async move { client.create_secret(spec).await })
            .await?;
        Ok((name, made.id))
    }
}

fn service(names: &Names, options: &EdgeOptions, (name, id): &(String, String)) -> ServiceSpec {
    let port = |inside: u16, outside: u16| EndpointPortConfig {
        protocol: Some(EndpointPortConfigProtocolEnum::TCP),
        target_port: Some(i64::from(inside)),
        published_port: Some(i64::from(outside)),
        publish_mode: Some(EndpointPortConfigPublishModeEnum::HOST),
        ..EndpointPortConfig::default()
    };
    let mut ports = vec![port(HTTP, options.http_port)];
    if options.certificates != Certificates::None {
        ports.push(port(HTTPS, options.https_port));
    }
    ServiceSpec {
        name: Some(names.edge()),
        labels: Some(names.labels(EDGE)),
        task_template: Some(TaskSpec {
            container_spec: Some(container(names, options, name, id)),
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

fn container(names: &Names, options: &EdgeOptions, name: &str, id: &str) -> TaskSpecContainerSpec {
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
        secrets: Some(vec![TaskSpecContainerSpecSecrets {
            file: Some(TaskSpecContainerSpecFile {
                name: Some("Caddyfile".to_owned()),
                // Images of Caddy differ in their user, and nothing else runs there.
                uid: Some("0".to_owned()),
                gid: Some("0".to_owned()),
                mode: Some(0o444),
            }),
            secret_id: Some(id.to_owned()),
            secret_name: Some(name.to_owned()),
        }]),
        ..TaskSpecContainerSpec::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_certificates_one_port_is_published() {
        let (names, options) = (Names::new("staging"), caddyfile::tests::options(Certificates::None));
        let ports = service(&names, &options, &(String::new(), String::new())).endpoint_spec.unwrap().ports;
        assert_eq!(ports.unwrap().len(), 1);
    }
}
