//! Services of an environment as the engine has them: found by label, changed by compare-and-swap, never deleted: deleting
//! compares nothing, so an older run could delete what a newer one has just begun. One that runs nothing has no task.

use std::time::Duration;

use bollard::models::{ServiceSpec, ServiceUpdateStatusStateEnum};
use bollard::query_parameters::{ListServicesOptionsBuilder, UpdateServiceOptionsBuilder};
use phases::release::ReleaseId;

use super::SwarmPlatform;
use super::names::{Kind, PREVIOUS, RELEASE, TOKEN};
use crate::docker::EngineError;

/// A service at one moment.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// Id of the engine's.
    pub(super) id: String,
    /// What the engine compares.
    pub(super) version: u64,
    /// What it is meant to be.
    pub(super) spec: ServiceSpec,
    /// How its last change stands; none when nothing had to be changed.
    pub(super) update: Option<ServiceUpdateStatusStateEnum>,
    /// What the engine says of that.
    pub(super) update_message: Option<String>,
}

impl Found {
    pub(super) fn token(&self) -> u64 {
        self.label(TOKEN).and_then(|token| token.parse().ok()).unwrap_or(0)
    }

    /// The release it is meant to run; none when it is meant to run nothing.
    pub(super) fn release(&self) -> Option<ReleaseId> {
        (self.replicas() > 0).then(|| self.label(RELEASE)?.parse().ok()).flatten()
    }

    pub(super) fn previous(&self) -> Option<ReleaseId> {
        self.label(PREVIOUS)?.parse().ok()
    }

    pub(super) fn replicas(&self) -> i64 {
        let mode = self.spec.mode.as_ref().and_then(|mode| mode.replicated.as_ref());
        mode.and_then(|replicated| replicated.replicas).unwrap_or(0)
    }

    /// How long the engine lets a task go on after it was asked to end.
    pub(super) fn grace(&self) -> Duration {
        let task = self.spec.task_template.as_ref().and_then(|task| task.container_spec.as_ref());
        let nanoseconds = task.and_then(|container| container.stop_grace_period).unwrap_or_default();
        Duration::from_nanos(nanoseconds.unsigned_abs())
    }

    fn label(&self, name: &str) -> Option<&str> {
        self.spec.labels.as_ref()?.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

impl SwarmPlatform {
    /// The service of a kind, when there is one.
    pub(super) async fn find(&self, kind: Kind) -> Result<Option<Found>, EngineError> {
        let options = ListServicesOptionsBuilder::default().filters(&self.names.filter(kind.word())).build();
        let found = self
            .options
            .engine
            .ask("list its services", |client| async move { client.list_services(Some(options)).await })
            .await?;
        Ok(found.into_iter().next().and_then(|service| {
            let update = service.update_status;
            Some(Found {
                id: service.id?,
                version: service.version?.index?,
                spec: service.spec?,
                update: update.as_ref().and_then(|status| status.state),
                update_message: update.and_then(|status| status.message),
            })
        }))
    }

    /// Changes a service, if it still is as it was found.
    pub(super) async fn put(&self, found: &Found, spec: ServiceSpec) -> Result<(), EngineError> {
        let version = i32::try_from(found.version).map_err(|_| EngineError::Refused {
            what: "change a service",
            status: 0,
            message: format!("version {} is more than its interface takes", found.version),
        })?;
        let options = UpdateServiceOptionsBuilder::default().version(version).build();
        let (id, credentials) = (found.id.clone(), self.credentials());
        self.options
            .engine
            .ask("change a service", |client| async move {
                client.update_service(&id, spec, options, credentials).await.map(drop)
            })
            .await
    }

    /// Makes a service. One that somebody else has made meanwhile is [`EngineError::OutOfSequence`].
    pub(super) async fn make(&self, spec: ServiceSpec) -> Result<(), EngineError> {
        let credentials = self.credentials();
        let made = self
            .options
            .engine
            .ask("make a service", |client| async move { client.create_service(spec, credentials).await })
            .await;
        match made {
            Ok(_) => Ok(()),
            Err(EngineError::Refused { status: 409, .. }) => {
                Err(EngineError::OutOfSequence { what: "make a service" })
            }
            Err(error) => Err(error),
        }
    }
}
