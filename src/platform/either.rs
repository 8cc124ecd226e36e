//! The platform that an environment has. Every question is asked of the one it is; nothing is decided here.

use async_trait::async_trait;
use checks::Subject;
use chrono::{DateTime, Utc};
use phases::engine::effects::{EffectContext, EffectOutcome, Probe};
use phases::engine::platform::{Platform, PlatformState, PlatformUnreadable};
use phases::release::ReleaseId;
use url::Url;

use super::process::ProcessPlatform;
use super::swarm::SwarmPlatform;
use super::{Death, Resident};

/// One of the two.
#[derive(Clone)]
pub enum AnyPlatform {
    /// Processes of this machine.
    Process(ProcessPlatform),
    /// Docker Engine's orchestrator.
    Swarm(Box<SwarmPlatform>),
}

impl AnyPlatform {
    /// What the contract of all platforms asks.
    fn as_platform(&self) -> &dyn Platform {
        match self {
            Self::Process(platform) => platform,
            Self::Swarm(platform) => &**platform,
        }
    }

    /// Whether a new connection to the public address is answered by `release`.
    pub async fn probe_serving(&self, release: &ReleaseId) -> Probe {
        match self {
            Self::Process(platform) => platform.probe_serving(release).await,
            Self::Swarm(platform) => platform.probe_serving(release).await,
        }
    }

    /// Gives `to`, which has served before, the public address.
    pub async fn shift_back(&self, to: &ReleaseId, context: &EffectContext<'_>) -> EffectOutcome {
        match self {
            Self::Process(platform) => platform.shift(to, context).await,
            // Its candidate ends as that of what one comes from would.
            Self::Swarm(platform) => platform.restore(Some(to), to, context).await,
        }
    }

    /// Whether nothing is left to do of giving `release` the public address.
    pub async fn probe_shifted(&self, release: &ReleaseId) -> Probe {
        match self {
            Self::Process(platform) => platform.probe_serving(release).await,
            Self::Swarm(platform) => platform.probe_shifted(release).await,
        }
    }

    /// What users reach at `address`.
    pub fn public(&self, address: Url) -> Subject {
        match self {
            Self::Process(_) => Subject::at(address),
            Self::Swarm(platform) => platform.public(address),
        }
    }

    /// A release without traffic; none while it does not run.
    ///
    /// # Errors
    /// The platform cannot be read.
    pub async fn candidate(
        &self,
        release: &ReleaseId,
        address: Url,
    ) -> Result<Option<Subject>, PlatformUnreadable> {
        match self {
            Self::Process(platform) => {
                let socket = platform.private_socket(release).await?;
                Ok(socket.map(|socket| Subject::through(address, socket)))
            }
            Self::Swarm(platform) => platform.candidate(release, address).await,
        }
    }

    /// The last `count` lines of one release, oldest first.
    pub async fn last_lines_of(&self, release: &ReleaseId, count: usize) -> Vec<String> {
        match self {
            Self::Process(platform) => platform.last_lines_of(release, count),
            Self::Swarm(platform) => platform.last_lines_of(release, count).await,
        }
    }

    /// The last time that `release` died by itself since then.
    ///
    /// # Errors
    /// The platform cannot be read.
    pub async fn death_of(
        &self,
        release: &ReleaseId,
        since: DateTime<Utc>,
    ) -> Result<Option<Death>, PlatformUnreadable> {
        match self {
            Self::Process(platform) => platform.death_of(release, since).await,
            Self::Swarm(platform) => platform.death_of(release, since).await,
        }
    }

    /// The memory of what runs `release`; none while nobody can tell.
    pub async fn resident(&self, release: &ReleaseId) -> Option<Resident> {
        match self {
            Self::Process(platform) => platform.resident(release).await,
            Self::Swarm(platform) => platform.resident(release).await,
        }
    }
}

#[async_trait]
impl Platform for AnyPlatform {
    async fn state(&self) -> Result<PlatformState, PlatformUnreadable> {
        self.as_platform().state().await
    }

    async fn fence(&self, token: u64) -> EffectOutcome {
        self.as_platform().fence(token).await
    }

    async fn start(&self, release: &ReleaseId, context: &EffectContext<'_>) -> EffectOutcome {
        self.as_platform().start(release, context).await
    }

    async fn await_ready(&self, release: &ReleaseId, context: &EffectContext<'_>) -> EffectOutcome {
        self.as_platform().await_ready(release, context).await
    }

    async fn shift(&self, to: &ReleaseId, context: &EffectContext<'_>) -> EffectOutcome {
        self.as_platform().shift(to, context).await
    }

    async fn restore(
        &self,
        to: Option<&ReleaseId>,
        from: &ReleaseId,
        context: &EffectContext<'_>,
    ) -> EffectOutcome {
        self.as_platform().restore(to, from, context).await
    }

    async fn stop(&self, release: &ReleaseId, context: &EffectContext<'_>) -> EffectOutcome {
        self.as_platform().stop(release, context).await
    }

    async fn retire(&self, keep: &[ReleaseId], context: &EffectContext<'_>) -> EffectOutcome {
        self.as_platform().retire(keep, context).await
    }
}
