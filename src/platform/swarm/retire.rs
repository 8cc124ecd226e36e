//! Removing what nobody goes back to: records, then the secrets and images that no record names any more. Only of this
//! environment; an image that another environment has a release of stays.

use std::collections::{BTreeSet, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard::query_parameters::ListConfigsOptionsBuilder;
use phases::release::ReleaseId;

use super::SwarmPlatform;
use super::names::{ENVIRONMENT, Kind};
use super::record::ReleaseRecord;
use super::trouble::Trouble;
use crate::docker::EngineError;

impl SwarmPlatform {
    /// Removes the content of releases that are not kept, do not serve and do not run; gives how many.
    pub(super) async fn remove_others(&self, keep: &[ReleaseId], token: u64) -> Result<usize, Trouble> {
        self.found_under(Kind::Backend, token).await?;
        let state = self.look().await?;
        let is_used = |release: &ReleaseId| {
            keep.contains(release)
                || state.serving.as_ref() == Some(release)
                || state.instances.iter().any(|instance| instance.release == *release)
        };
        let (stay, go): (Vec<_>, Vec<_>) =
            self.records().await?.into_iter().partition(|(_, record)| is_used(&record.release));
        for (id, _) in &go {
            self.remove_record(id).await?;
        }
        self.remove_secrets_but(&stay.iter().flat_map(|(_, record)| record.secrets.values()).collect())
            .await?;
        let images = self.images_of_everybody().await?;
        let unnamed: BTreeSet<&String> =
            go.iter().map(|(_, record)| &record.image).filter(|image| !images.contains(*image)).collect();
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

    /// Images that a release of any environment on this engine is run from.
    async fn images_of_everybody(&self) -> Result<BTreeSet<String>, EngineError> {
        let filter = HashMap::from([("label".to_owned(), vec![ENVIRONMENT.to_owned()])]);
        let options = ListConfigsOptionsBuilder::default().filters(&filter).build();
        let found = self
            .options
            .engine
            .ask("list its configs", |client| async move { client.list_configs(Some(options)).await })
            .await?;
        let image = |data: String| {
            let text = STANDARD.decode(data).ok()?;
            serde_json::from_slice::<ReleaseRecord>(&text).ok().map(|record| record.image)
        };
        Ok(found.into_iter().filter_map(|config| image(config.spec?.data?)).collect())
    }
}
