//! Taking an environment's releases down. Services stay, without tasks: what was there can be started again, and the edge, which
//! holds the certificates, is not touched.

use phases::engine::effects::EffectOutcome;

use super::SwarmPlatform;
use super::names::Kind;
use super::trouble::Trouble;

impl SwarmPlatform {
    /// Stops everything that runs of the environment's releases. Doing it again changes nothing.
    pub async fn down(&self, token: u64) -> EffectOutcome {
        for kind in Kind::ALL {
            let emptied = async {
                self.empty(kind, None, token).await?;
                self.until_ended(kind, None).await.map_err(Trouble::after_a_write)
            };
            if let Err(trouble) = emptied.await {
                return trouble.into_outcome();
            }
        }
        super::done("nothing runs".to_owned())
    }
}
