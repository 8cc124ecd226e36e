//! A release's record → the service that runs it. Pure. Parameters were measured: ADR 43. The health check is the image's
//! own: the client loses that of a service when it reads one, and a service written back without it starts anew.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bollard::models::{
    EndpointSpec, EndpointSpecModeEnum, Limit, Mount, MountType, NetworkAttachmentConfig, ServiceSpec,
    ServiceSpecMode, ServiceSpecModeReplicated, ServiceSpecRollbackConfig,
    ServiceSpecRollbackConfigFailureActionEnum, ServiceSpecRollbackConfigOrderEnum, ServiceSpecUpdateConfig,
    ServiceSpecUpdateConfigFailureActionEnum, ServiceSpecUpdateConfigOrderEnum, TaskSpec,
    TaskSpecContainerSpec, TaskSpecContainerSpecDnsConfig, TaskSpecContainerSpecFile,
    TaskSpecContainerSpecSecrets, TaskSpecPlacement, TaskSpecResources, TaskSpecRestartPolicy,
    TaskSpecRestartPolicyConditionEnum,
};
use phases::engine::failure::{Failure, FailureClass};

use super::names::{Kind, Names, PREVIOUS, RELEASE, TOKEN};
use super::record::ReleaseRecord;
use crate::image::{PORT, USER, health};

/// As the engine counts time.
const SECOND: i64 = 1_000_000_000;
/// How long the engine watches each new task. Invariant: longer than a task may take to be found sick.
const MONITOR: i64 = health::FOUND_SICK.as_secs().cast_signed() * SECOND + SECOND;
/// On top of the drain and the longest request: for goodbyes.
const GRACE: u64 = 5;
/// How the backend bounds a request, and how it does unless it is told otherwise. Source: its settings.
const REQUEST_TIMEOUT: (&str, u64) = ("REQUEST_TIMEOUT_SECONDS", 30);
/// The user of the image, who reads its secrets.
const OWNER: &str = "65532";
/// Only for them.
const READ_ONLY: u32 = 0o400;

/// How a change of the serving release goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// A new release: one task after the other, and the engine goes back by itself when one is sick.
    Careful,
    /// Back to a release that was good: all at once.
    Swift,
}

/// A service to be.
pub(super) struct Wanted<'r> {
    pub(super) kind: Kind,
    pub(super) record: &'r ReleaseRecord,
    pub(super) token: u64,
    pub(super) previous: Option<String>,
    pub(super) pace: Pace,
}

impl Wanted<'_> {
    /// As the engine takes it; `secrets` are its ids by name.
    pub(super) fn spec(
        &self,
        names: &Names,
        secrets: &BTreeMap<String, String>,
    ) -> Result<ServiceSpec, Failure> {
        let replicas = match self.kind {
            Kind::Backend => i64::from(self.record.replicas),
            Kind::Candidate => 1,
        };
        Ok(ServiceSpec {
            name: Some(names.service(self.kind)),
            labels: Some(self.labels(names)),
            task_template: Some(self.task(names, secrets)?),
            mode: Some(replicated(replicas)),
            update_config: Some(update(self.kind, self.pace)),
            rollback_config: Some(rollback()),
            endpoint_spec: Some(EndpointSpec { mode: Some(EndpointSpecModeEnum::DNSRR), ports: None }),
            networks: None,
        })
    }

    fn labels(&self, names: &Names) -> HashMap<String, String> {
        let mut labels = names.labels(self.kind.word());
        labels.insert(TOKEN.to_owned(), self.token.to_string());
        labels.insert(RELEASE.to_owned(), self.record.release.to_string());
        labels.insert(PREVIOUS.to_owned(), self.previous.clone().unwrap_or_default());
        labels
    }

    fn task(&self, names: &Names, secrets: &BTreeMap<String, String>) -> Result<TaskSpec, Failure> {
        let limits = self.record.limits;
        // A candidate that ends has said what it had to say; what serves comes back.
        let condition = match self.kind {
            Kind::Backend => TaskSpecRestartPolicyConditionEnum::ANY,
            Kind::Candidate => TaskSpecRestartPolicyConditionEnum::NONE,
        };
        Ok(TaskSpec {
            container_spec: Some(self.container(names, secrets)?),
            resources: Some(TaskSpecResources {
                limits: Some(Limit {
                    nano_cpus: Some(limits.nano_cpus),
                    memory_bytes: Some(limits.memory_bytes),
                    pids: Some(limits.pids),
                }),
                ..TaskSpecResources::default()
            }),
            restart_policy: Some(TaskSpecRestartPolicy {
                condition: Some(condition),
                delay: Some(SECOND),
                ..TaskSpecRestartPolicy::default()
            }),
            placement: Some(TaskSpecPlacement::default()),
            networks: Some(vec![NetworkAttachmentConfig {
                target: Some(names.network()),
                ..NetworkAttachmentConfig::default()
            }]),
            ..TaskSpec::default()
        })
    }

    fn container(
        &self,
        names: &Names,
        secrets: &BTreeMap<String, String>,
    ) -> Result<TaskSpecContainerSpec, Failure> {
        let mut labels = names.labels(self.kind.word());
        labels.insert(RELEASE.to_owned(), self.record.release.to_string());
        let grace = i64::try_from(grace(self.record).as_secs()).unwrap_or(i64::MAX / SECOND);
        Ok(TaskSpecContainerSpec {
            image: Some(self.record.image.clone()),
            labels: Some(labels),
            user: Some(USER.to_owned()),
            env: Some(self.environment()),
            secrets: Some(self.secrets(secrets)?),
            read_only: Some(true),
            capability_drop: Some(vec!["ALL".to_owned()]),
            mounts: Some(vec![Mount {
                target: Some("/tmp".to_owned()),
                typ: Some(MountType::TMPFS),
                ..Mount::default()
            }]),
            stop_signal: Some("SIGTERM".to_owned()),
            stop_grace_period: Some(grace.saturating_mul(SECOND)),
            // As the engine hands it back: what it adds by itself would be a change of the task the next time it is written.
            dns_config: Some(TaskSpecContainerSpecDnsConfig::default()),
            ..TaskSpecContainerSpec::default()
        })
    }

    /// Variables; a secret is the name of its file. Jobs wait until the release serves.
    fn environment(&self) -> Vec<String> {
        let record = self.record;
        let mut all = record.variables.clone();
        all.insert("BIND".to_owned(), format!("0.0.0.0:{PORT}"));
        all.insert("CRM_RELEASE".to_owned(), record.release.to_string());
        all.insert("DRAIN_SECONDS".to_owned(), record.drain_seconds.to_string());
        if self.kind == Kind::Candidate {
            all.insert("ENABLE_SCHEDULED_TASKS".to_owned(), "false".to_owned());
            // Nobody uses it, so nobody has to be waited for.
            all.insert("DRAIN_SECONDS".to_owned(), "0".to_owned());
        }
        all.extend(
            record.secrets.keys().map(|name| (format!("{name}_FILE"), format!("/run/secrets/{name}"))),
        );
        all.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    fn secrets(&self, ids: &BTreeMap<String, String>) -> Result<Vec<TaskSpecContainerSpecSecrets>, Failure> {
        let file = |name: &str| TaskSpecContainerSpecFile {
            name: Some(name.to_owned()),
            uid: Some(OWNER.to_owned()),
            gid: Some(OWNER.to_owned()),
            mode: Some(READ_ONLY),
        };
        let one = |(name, object): (&String, &String)| match ids.get(object) {
            Some(id) => Ok(TaskSpecContainerSpecSecrets {
                file: Some(file(name)),
                secret_id: Some(id.clone()),
                secret_name: Some(object.clone()),
            }),
            None => {
                let message = format!(
                    "secret `{object}` of release {} is not on the engine any more",
                    self.record.release
                );
                let hint = "deploy again from a checkout of its commit, with the secrets it had";
                Err(Failure::new(FailureClass::Failed, message).hint(hint))
            }
        };
        self.record.secrets.iter().map(one).collect()
    }
}

/// How long a task may take to end after it was asked to: its drain, the longest request, goodbyes.
pub(super) fn grace(record: &ReleaseRecord) -> Duration {
    let (name, usual) = REQUEST_TIMEOUT;
    let longest = record.variables.get(name).and_then(|seconds| seconds.parse().ok()).unwrap_or(usual);
    Duration::from_secs(record.drain_seconds + longest + GRACE)
}

/// The same service with so many tasks.
pub(super) fn with_replicas(mut spec: ServiceSpec, replicas: i64, token: u64) -> ServiceSpec {
    spec.mode = Some(replicated(replicas));
    spec.labels.get_or_insert_default().insert(TOKEN.to_owned(), token.to_string());
    spec
}

fn replicated(replicas: i64) -> ServiceSpecMode {
    ServiceSpecMode {
        replicated: Some(ServiceSpecModeReplicated { replicas: Some(replicas) }),
        ..ServiceSpecMode::default()
    }
}

/// The new task answers before the old one goes. A candidate that fails stays failed, for everybody to see.
fn update(kind: Kind, pace: Pace) -> ServiceSpecUpdateConfig {
    let (parallelism, monitor, failure_action) = match (kind, pace) {
        (Kind::Candidate, _) => (0, SECOND, ServiceSpecUpdateConfigFailureActionEnum::PAUSE),
        (Kind::Backend, Pace::Careful) => (1, MONITOR, ServiceSpecUpdateConfigFailureActionEnum::ROLLBACK),
        (Kind::Backend, Pace::Swift) => (0, SECOND, ServiceSpecUpdateConfigFailureActionEnum::CONTINUE),
    };
    ServiceSpecUpdateConfig {
        parallelism: Some(parallelism),
        delay: Some(0),
        failure_action: Some(failure_action),
        monitor: Some(monitor),
        max_failure_ratio: Some(0.0),
        order: Some(match kind {
            // Two releases on trial at once would both answer the gate.
            Kind::Candidate => ServiceSpecUpdateConfigOrderEnum::STOP_FIRST,
            Kind::Backend => ServiceSpecUpdateConfigOrderEnum::START_FIRST,
        }),
    }
}

/// How the engine goes back by itself.
fn rollback() -> ServiceSpecRollbackConfig {
    ServiceSpecRollbackConfig {
        parallelism: Some(0),
        delay: Some(0),
        failure_action: Some(ServiceSpecRollbackConfigFailureActionEnum::CONTINUE),
        monitor: Some(SECOND),
        max_failure_ratio: Some(0.0),
        order: Some(ServiceSpecRollbackConfigOrderEnum::START_FIRST),
    }
}

#[cfg(test)]
mod tests;
