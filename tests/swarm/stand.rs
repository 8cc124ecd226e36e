//! An environment of its own on the engine: network, edge on a port of this machine, releases that behave as asked. Its end
//! takes all of it away again and asserts that.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use crmctl::docker::Engine;
use crmctl::platform::swarm::edge::{Certificates, EdgeOptions};
use crmctl::platform::swarm::{Door, Limits, ReleaseRecord, SecretValue, SwarmOptions, SwarmPlatform, Way};
use crmctl::release_directory::ReleaseFile;
use phases::engine::effects::EffectOutcome;
use phases::engine::platform::Platform;
use phases::release::ReleaseId;
use phases::testing::contract::platform::Stand;
use phases::testing::machine::Behaviour;

use crate::harness::engine::{edge_image, engine, server_image, sweep};

/// Header value of the candidate, in tests.
const CANDIDATE: &str = "c4nd1d4te";

/// An environment on the engine.
pub(crate) struct SwarmStand {
    pub(crate) engine: Engine,
    pub(crate) name: String,
    pub(crate) platform: SwarmPlatform,
    pub(crate) port: u16,
    image: String,
    provided: AtomicU32,
}

impl SwarmStand {
    pub(crate) async fn new() -> Self {
        // Fails when it was done before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let engine = engine();
        let (server, edge) = (server_image(&engine).await, edge_image(&engine).await);
        let port = TcpListener::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port();
        let name = format!("t{}-{port}", std::process::id());
        let door =
            Door::new(format!("http://127.0.0.1:{port}").parse().unwrap(), CANDIDATE.into(), Way::default())
                .unwrap();
        let platform = SwarmPlatform::new(SwarmOptions {
            environment: name.clone(),
            engine: engine.clone(),
            door,
            ready_deadline: Duration::from_secs(15),
            login: None,
        });
        let options = EdgeOptions {
            image: edge,
            hosts: vec!["127.0.0.1".to_owned()],
            http_port: port,
            https_port: 0,
            certificates: Certificates::None,
            candidate: CANDIDATE.into(),
        };
        assert!(platform.ensure_edge(&options).await.unwrap());
        assert!(!platform.ensure_edge(&options).await.unwrap(), "the second time changes nothing");
        Self { engine, name, platform, port, image: server, provided: AtomicU32::new(0) }
    }

    /// Content of a release of the real server that finds these variables.
    pub(crate) async fn release(&self, variables: &[(&str, &str)], secrets: &[(&str, &str)]) -> ReleaseId {
        let number = self.provided.fetch_add(1, Ordering::SeqCst);
        let release: ReleaseId = format!("0123456789ab.{number:08x}").parse().unwrap();
        let mut all = BTreeMap::from([
            ("CRM_ENVIRONMENT".to_owned(), self.name.clone()),
            ("REQUEST_TIMEOUT_SECONDS".to_owned(), "5".to_owned()),
        ]);
        all.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let object = |name: &str, value: &str| format!("crm-{}-{name}-{}", self.name, value.len());
        let values: Vec<SecretValue> = secrets
            .iter()
            .map(|(name, value)| SecretValue { object: object(name, value), value: (*value).into() })
            .collect();
        let record = ReleaseRecord {
            schema: 1,
            release: release.clone(),
            image: self.image.clone(),
            file: release_file(&release),
            variables: all,
            secrets: secrets.iter().map(|(name, value)| ((*name).to_owned(), object(name, value))).collect(),
            replicas: 1,
            limits: Limits::default(),
            drain_seconds: 1,
        };
        let token = self.platform.state().await.unwrap().token.max(1);
        let provided = self.platform.provide(&record, &values, token).await;
        assert!(matches!(provided, EffectOutcome::Done(_)), "{provided:?}");
        release
    }

    /// Ids of the containers that run releases.
    pub(crate) async fn containers(&self) -> Vec<String> {
        let labels = vec![format!("crm.env={}", self.name), "crm.release".to_owned()];
        let filter = std::collections::HashMap::from([("label".to_owned(), labels)]);
        let options =
            bollard::query_parameters::ListContainersOptionsBuilder::default().filters(&filter).build();
        let found = self
            .engine
            .ask("list its containers", |client| async move { client.list_containers(Some(options)).await })
            .await
            .unwrap();
        let mut ids: Vec<String> = found.into_iter().filter_map(|container| container.id).collect();
        ids.sort();
        ids
    }

    /// Which release answers on the public address, over a new connection.
    pub(crate) async fn answering(&self) -> Option<ReleaseId> {
        let client = reqwest::Client::builder().pool_max_idle_per_host(0).no_proxy().build().unwrap();
        let answer = client.get(format!("http://127.0.0.1:{}/health/live", self.port)).send().await.ok()?;
        answer.headers().get("x-crm-release")?.to_str().ok()?.parse().ok()
    }
}

/// A `release.json` as a build writes it.
pub(crate) fn release_file(release: &ReleaseId) -> ReleaseFile {
    ReleaseFile {
        schema: 1,
        id: release.to_string(),
        commit: "0123456789ab".repeat(4)[..40].to_owned(),
        dirty: false,
        inputs: "sha256:0".to_owned(),
        digest: format!("sha256:{release}"),
        needs_schema: 1,
        migrations: Vec::new(),
        image: None,
    }
}

/// Secrets of a server that works.
pub(crate) const SECRETS: [(&str, &str); 2] = [
    ("JWT_SECRET", "0f1e2d3c4b5a69788796a5b4c3d2e1f0"),
    ("POSTGRES_DSN", "postgresql://nobody:none@127.0.0.1:1/none"),
];

#[async_trait]
impl Stand for SwarmStand {
    fn platform(&self) -> &dyn Platform {
        &self.platform
    }

    async fn provide(&self, behaviour: Behaviour) -> ReleaseId {
        match behaviour {
            Behaviour::Well => self.release(&[], &SECRETS).await,
            Behaviour::Exits => self.release(&[], &[("JWT_SECRET", "short"), SECRETS[1]]).await,
            Behaviour::NeverReady => self.release(&[("CRM_FAULT", "never_ready")], &SECRETS).await,
        }
    }

    async fn answers(&self) -> Option<ReleaseId> {
        self.answering().await
    }

    async fn runs_itself(&self) -> bool {
        false
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(60)
    }

    async fn pause(&self) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Promises leave things running; whatever they leave goes, and nothing of the environment stays.
impl Drop for SwarmStand {
    fn drop(&mut self) {
        let swept = sweep(&self.name);
        if !std::thread::panicking() {
            assert!(swept);
        }
    }
}
