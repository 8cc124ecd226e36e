//! What runs, read in one look. Changes nothing.

use phases::engine::platform::{Instance, PlatformState, Role};

use super::SwarmPlatform;
use super::names::Kind;
use super::service::Found;
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
        let present = self.records().await?.into_iter().map(|(_, record)| record.release).collect();
        Ok(PlatformState {
            instances,
            serving: backend.as_ref().and_then(Found::release),
            previous: backend.as_ref().and_then(Found::previous),
            present,
            token,
        })
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
