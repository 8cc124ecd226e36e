//! What runs, read in one look. Changes nothing.

use phases::engine::platform::{Instance, PlatformState, Role};

use super::SwarmPlatform;
use super::foreign::differences;
use super::names::Kind;
use super::service::Found;
use super::spec::{Pace, Wanted};
use super::tasks::Seen;
use crate::docker::EngineError;

impl SwarmPlatform {
    pub(super) async fn look(&self) -> Result<PlatformState, EngineError> {
        let backend = self.find(Kind::Backend).await?;
        let candidate = self.find(Kind::Candidate).await?;
        let mut token = self.fence_token().await?;
        let mut instances = Vec::new();
        for (service, kind) in [(&backend, Kind::Backend), (&candidate, Kind::Candidate)] {
            let Some(service) = service else { continue };
            token = token.max(service.token());
            for task in self.tasks(service).await?.iter().filter(|task| task.is_alive()) {
                add(&mut instances, instance(service, kind, task));
            }
        }
        let foreign = match &backend {
            Some(service) => self.changed_by_others(service).await?,
            None => Vec::new(),
        };
        let present = self.records().await?.into_iter().map(|(_, record)| record.release).collect();
        Ok(PlatformState {
            instances,
            serving: backend.as_ref().and_then(Found::release),
            previous: backend.as_ref().and_then(Found::previous),
            present,
            foreign,
            token,
        })
    }
}

impl SwarmPlatform {
    /// What of a service is not as the record of its release makes it.
    async fn changed_by_others(&self, service: &Found) -> Result<Vec<String>, EngineError> {
        let Some(release) = service.release() else { return Ok(Vec::new()) };
        // While the engine changes it, nobody can tell who wanted what.
        if service.is_being_changed() {
            return Ok(Vec::new());
        }
        let Some(record) = self.record(&release).await? else { return Ok(Vec::new()) };
        let kind = Kind::Backend;
        let wanted = Wanted { kind, record: &record, token: 0, previous: None, pace: Pace::Careful };
        let Ok(wanted) = wanted.spec(&self.names, &self.secret_ids().await?) else { return Ok(Vec::new()) };
        let different = differences(&service.spec, &wanted);
        if different.is_empty() {
            return Ok(Vec::new());
        }
        let name = self.names.service(kind);
        Ok(vec![format!("service `{name}` was changed by somebody else: {}", different.join(", "))])
    }
}

fn instance(service: &Found, kind: Kind, task: &Seen) -> Instance {
    let is_meant = task.is_wanted && service.release().as_ref() == Some(&task.release);
    let role = match kind {
        _ if !is_meant => Role::Draining,
        Kind::Backend => Role::Serving,
        Kind::Candidate => Role::Candidate,
    };
    Instance { release: task.release.clone(), role, since: task.since() }
}

/// One instance per release and role, however many tasks it has: since the oldest of them.
fn add(instances: &mut Vec<Instance>, new: Instance) {
    let same = |known: &&mut Instance| (known.role, &known.release) == (new.role, &new.release);
    match instances.iter_mut().find(same) {
        Some(known) if new.since < known.since => known.since = new.since,
        Some(_) => {}
        None => instances.push(new),
    }
}
