//! What the engine remembers of a release: all that it takes to run it again, whoever asks and whatever else is away. One
//! config per release; values of secrets are not in it, only under which names the engine has them.

use std::collections::{BTreeMap, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard::models::{Config, ConfigSpec, SecretSpec};
use bollard::query_parameters::{ListConfigsOptionsBuilder, ListSecretsOptionsBuilder};
use phases::release::ReleaseId;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::SwarmPlatform;
use super::names::{self, RELEASE};
use super::trouble::Trouble;
use crate::docker::EngineError;
use crate::release_directory::ReleaseFile;

/// Kind of the object.
const RECORD: &str = "release";
/// Kind of a secret.
const SECRET: &str = "secret";

/// All that it takes to run a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseRecord {
    /// Format version; 1.
    pub schema: u32,
    /// Which release.
    pub release: ReleaseId,
    /// `repository@sha256:…`, or `repository:tag` of an engine that has it from crmctl alone.
    pub image: String,
    /// Its `release.json`: the schema it needs, for who has no other copy.
    pub file: ReleaseFile,
    /// Variables that are no secrets.
    pub variables: BTreeMap<String, String>,
    /// Secrets: name that the backend knows → name of the engine's object.
    pub secrets: BTreeMap<String, String>,
    /// Tasks side by side.
    pub replicas: u32,
    /// What one task may use.
    pub limits: Limits,
    /// Seconds it goes on answering when it is replaced.
    pub drain_seconds: u64,
}

/// What one task may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Bytes of memory.
    pub memory_bytes: i64,
    /// Billionths of a processor.
    pub nano_cpus: i64,
    /// Processes and threads.
    pub pids: i64,
}

impl Default for Limits {
    /// 512 MiB, one processor, 512 threads.
    fn default() -> Self {
        Self { memory_bytes: 512 * 1024 * 1024, nano_cpus: 1_000_000_000, pids: 512 }
    }
}

/// A secret on its way to the engine.
#[derive(Clone)]
pub struct SecretValue {
    /// Name of the engine's object; carries a hash of the content.
    pub object: String,
    /// The value.
    pub value: SecretString,
}

impl SwarmPlatform {
    /// Puts a release there, to be started: its secrets, then its record. What is there already stays.
    pub(super) async fn write_record(
        &self,
        record: &ReleaseRecord,
        secrets: &[SecretValue],
    ) -> Result<(), Trouble> {
        let known = self.secret_ids().await?;
        for secret in secrets.iter().filter(|secret| !known.contains_key(&secret.object)) {
            let spec = SecretSpec {
                name: Some(secret.object.clone()),
                labels: Some(self.names.labels(SECRET)),
                data: Some(STANDARD.encode(secret.value.expose_secret())),
                ..SecretSpec::default()
            };
            let made = self
                .options
                .engine
                .ask("keep a secret", |client| async move { client.create_secret(spec).await })
                .await;
            unless_there(made.map(drop))?;
        }
        let mut labels = self.names.labels(RECORD);
        labels.insert(RELEASE.to_owned(), record.release.to_string());
        let text = serde_json::to_vec(record).expect("a record is plain data");
        let spec = ConfigSpec {
            name: Some(self.names.record(&record.release)),
            labels: Some(labels),
            data: Some(STANDARD.encode(text)),
            ..ConfigSpec::default()
        };
        let made = self
            .options
            .engine
            .ask("keep the record of a release", |client| async move { client.create_config(spec).await })
            .await;
        Ok(unless_there(made.map(drop))?)
    }

    /// The record of a release; none when it was never put there.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn record(&self, release: &ReleaseId) -> Result<Option<ReleaseRecord>, EngineError> {
        Ok(self
            .records()
            .await?
            .into_iter()
            .find_map(|(_, record)| (record.release == *release).then_some(record)))
    }

    /// All records, with the ids the engine knows them by. One that cannot be read is none: it cannot be started.
    pub(super) async fn records(&self) -> Result<Vec<(String, ReleaseRecord)>, EngineError> {
        let own = self.record_configs(self.names.filter(RECORD)).await?;
        let mut records: Vec<_> = own.into_iter().filter_map(|config| read(config).ok()).collect();
        records.sort_by(|(_, one), (_, other)| one.release.cmp(&other.release));
        Ok(records)
    }

    /// A record of this environment that another version of crmctl has written, so that nobody here can tell what it needs.
    pub(super) async fn unreadable_record(&self) -> Result<Option<String>, EngineError> {
        let own = self.record_configs(self.names.filter(RECORD)).await?;
        Ok(own.into_iter().find_map(|config| read(config).err()))
    }

    /// The records of every environment on this engine; or the name of one that cannot be read.
    pub(super) async fn records_of_everybody(
        &self,
    ) -> Result<Result<Vec<ReleaseRecord>, String>, EngineError> {
        let all = self.record_configs(names::filter_of_everybody(RECORD)).await?;
        Ok(all.into_iter().map(|config| read(config).map(|(_, record)| record)).collect())
    }

    async fn record_configs(&self, filter: HashMap<String, Vec<String>>) -> Result<Vec<Config>, EngineError> {
        let options = ListConfigsOptionsBuilder::default().filters(&filter).build();
        self.options
            .engine
            .ask("list its configs", |client| async move { client.list_configs(Some(options)).await })
            .await
    }

    /// Forgets a release.
    pub(super) async fn remove_record(&self, id: &str) -> Result<(), EngineError> {
        let removed = self
            .options
            .engine
            .ask("forget a release", |client| async move { client.delete_config(id).await })
            .await;
        unless_gone(removed)
    }

    /// Ids of this environment's secrets, by name.
    pub(super) async fn secret_ids(&self) -> Result<BTreeMap<String, String>, EngineError> {
        let options = ListSecretsOptionsBuilder::default().filters(&self.names.filter(SECRET)).build();
        let found = self
            .options
            .engine
            .ask("list its secrets", |client| async move { client.list_secrets(Some(options)).await })
            .await?;
        Ok(found.into_iter().filter_map(|secret| Some((secret.spec?.name?, secret.id?))).collect())
    }

    /// Removes a secret that no release has; one in use stays.
    pub(super) async fn remove_secret(&self, id: &str) -> Result<(), EngineError> {
        let removed = self
            .options
            .engine
            .ask("remove a secret", |client| async move { client.delete_secret(id).await })
            .await;
        match unless_gone(removed) {
            // Source: the engine's words for a secret that a service, running or not, still names.
            Err(EngineError::Refused { message, .. }) if message.contains("in use") => Ok(()),
            other => other,
        }
    }
}

/// Id and record, or the name of what is none.
fn read(config: Config) -> Result<(String, ReleaseRecord), String> {
    let spec = config.spec.unwrap_or_default();
    let parse = |data: String| -> Option<ReleaseRecord> {
        let text = STANDARD.decode(data).ok()?;
        serde_json::from_slice(&text).ok().filter(|record: &ReleaseRecord| record.schema == 1)
    };
    let known = config.id.zip(spec.data.and_then(parse));
    known.ok_or_else(|| spec.name.unwrap_or_default())
}

/// Somebody has put it there before.
fn unless_there(made: Result<(), EngineError>) -> Result<(), EngineError> {
    match made {
        Err(EngineError::Refused { status: 409, .. }) => Ok(()),
        other => other,
    }
}

fn unless_gone(removed: Result<(), EngineError>) -> Result<(), EngineError> {
    match removed {
        Err(EngineError::NotFound { .. }) => Ok(()),
        other => other,
    }
}
