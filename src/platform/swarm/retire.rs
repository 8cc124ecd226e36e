//! Removing what nobody goes back to: records, then the secrets and images that no record names any more. Only of this
//! environment; an image that another environment has a release of stays.

use std::collections::BTreeSet;

use phases::engine::failure::{Failure, FailureClass};
use phases::release::ReleaseId;

use super::SwarmPlatform;
use super::names::Kind;
use super::trouble::Trouble;
use crate::docker::EngineError;

impl SwarmPlatform {
    /// Removes the content of releases that are not kept, do not serve and do not run; gives how many.
    pub(super) async fn remove_others(&self, keep: &[ReleaseId], token: u64) -> Result<usize, Trouble> {
        self.found_under(Kind::Backend, token).await?;
        // Before anything goes: what a record that cannot be read needs, nobody knows.
        if let Some(name) = self.unreadable_record().await? {
            let message = format!(
                "`{name}` was written by another version of crmctl, and nothing is removed beside it"
            );
            let hint = "use the crmctl that deploys there, or remove that config by hand";
            return Err(Failure::new(FailureClass::Failed, message).hint(hint).into());
        }
        let state = self.look().await?;
        let is_used = |release: &ReleaseId| {
            keep.contains(release)
                || state.serving.as_ref() == Some(release)
                || state.instances.iter().any(|instance| instance.release == *release)
        };
        let (stay, go): (Vec<_>, Vec<_>) =
            self.records().await?.into_iter().partition(|(_, record)| is_used(&record.release));
        for (id, _) in &go {
            // A removal compares nothing: a newer run must have had no time to begin anything.
            self.found_under(Kind::Backend, token).await?;
            self.remove_record(id).await?;
        }
        self.found_under(Kind::Backend, token).await?;
        self.remove_secrets_but(&stay.iter().flat_map(|(_, record)| record.secrets.values()).collect())
            .await?;
        // Nobody can tell what another environment's needs: then no image goes.
        let Ok(left) = self.records_of_everybody().await? else { return Ok(go.len()) };
        let images: BTreeSet<&String> = left.iter().map(|record| &record.image).collect();
        let unnamed: BTreeSet<&String> =
            go.iter().map(|(_, record)| &record.image).filter(|image| !images.contains(image)).collect();
        for image in unnamed {
            match self.options.engine.remove_image(image).await {
                // A container that ends still has it; the next time it goes.
                Ok(()) | Err(EngineError::Refused { status: 409, .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(go.len())
    }

    async fn remove_secrets_but(&self, named: &BTreeSet<&String>) -> Result<(), EngineError> {
        for (name, id) in self.secret_ids().await? {
            if !named.contains(&name) {
                self.remove_secret(&id).await?;
            }
        }
        Ok(())
    }
}
