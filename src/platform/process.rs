//! The platform `process`: releases as processes of this machine, under a supervisor that outlives crmctl.
//! Speaks to the supervisor; holds nothing itself. `state` starts nothing.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use phases::engine::effects::{EffectContext, EffectOutcome, Evidence};
use phases::engine::failure::{Failure, FailureClass};
use phases::engine::platform::{Platform, PlatformState, PlatformUnreadable};
use phases::release::ReleaseId;
use serde_json::json;

use crate::state_directory::StateDirectory;
use crate::supervisor::protocol::{Request, Start};
use crate::supervisor::retire::retire_offline;
use crate::supervisor::state::StoredState;
use crate::supervisor::strangers;

mod down;
mod fence;
mod logs;
mod observe;
pub mod postgres;
mod ready;
mod release_environment;
mod serving;
mod supervised;
mod vitals;

pub use down::DownError;
pub use logs::{FollowedLog, LogEnd, LogError};
use release_environment::EnvironmentError;
pub use release_environment::{EnvironmentVariable, ReleaseEnvironment, Variables};
pub use supervised::SupervisorProgram;
use supervised::{Supervised, Unanswered};

/// What the platform must know of its environment.
#[derive(Clone)]
pub struct ProcessOptions {
    /// State of the environment.
    pub directory: StateDirectory,
    /// Public address.
    pub address: SocketAddr,
    /// How long a release may take to become ready.
    pub ready_deadline: Duration,
    /// How a supervisor is started.
    pub supervisor: SupervisorProgram,
    /// What a release finds in its environment, besides its sockets and `CRM_RELEASE`.
    pub environment: ReleaseEnvironment,
}

/// Releases as processes of this machine.
#[derive(Clone)]
pub struct ProcessPlatform {
    options: ProcessOptions,
}

impl ProcessPlatform {
    /// The platform of one environment. Touches nothing.
    pub fn new(options: ProcessOptions) -> Self {
        Self { options }
    }

    /// Where a release answers plain HTTP without having traffic; none while it does not run.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub async fn private_socket(&self, release: &ReleaseId) -> Result<Option<PathBuf>, PlatformUnreadable> {
        let state = self.supervised().read().await.map_err(unreadable)?;
        let sockets = self.options.directory.sockets().map_err(unreadable)?;
        Ok(state.usable(release).map(|found| sockets.instance_socket(found.number, "private")))
    }

    /// Public address that the environment's supervisor, or a release it left behind, listens on now.
    pub fn listening_on(directory: &StateDirectory) -> Option<SocketAddr> {
        let state = StoredState::read(directory).ok()?;
        let alive = state.supervisor.as_ref().is_some_and(|supervisor| supervisor.is_alive())
            || state.instances.iter().any(|instance| instance.process.is_alive());
        state.address.filter(|_| alive)
    }

    fn supervised(&self) -> Supervised<'_> {
        Supervised::new(&self.options)
    }

    /// Asks the supervisor for an effect, starting it when there is none.
    async fn effect(&self, request: Request) -> EffectOutcome {
        match self.supervised().ask(&request).await {
            Ok(summary) => done(summary),
            Err(unanswered) => unanswered.into_outcome(),
        }
    }

    fn start_request(&self, release: &ReleaseId, token: u64) -> Result<Request, EnvironmentError> {
        let directory = self.options.directory.release(release);
        let environment = self.options.environment.of(release.as_str(), &directory)?;
        let (drain, address) = (release_environment::drain_of(&environment), self.options.address);
        Ok(Request::Start(Start { release: release.clone(), directory, environment, drain, address, token }))
    }

    /// Nothing lives and no supervisor runs: there is nothing to stop, and none is started to say so.
    async fn is_at_rest(&self) -> Result<bool, Unanswered> {
        let supervised = self.supervised();
        if supervised.is_up().await {
            return Ok(false);
        }
        let known = supervised.stored()?.instances.iter().any(|instance| instance.process.is_alive());
        Ok(!known && strangers::holders(&self.options.directory.sockets()?).is_empty())
    }

    /// An effect that only ends things: without anything to end it is done at once, the token remembered.
    async fn ending_effect(&self, request: Request, idle: &str) -> EffectOutcome {
        match self.is_at_rest().await {
            Ok(false) => return self.effect(request).await,
            Err(unanswered) => return unanswered.into_outcome(),
            Ok(true) => {}
        }
        let token = request.token().unwrap_or_default();
        let directory = &self.options.directory;
        let fenced = match &request {
            Request::Shutdown { .. } => StoredState::rest_offline(directory, token, None).await,
            Request::Withdraw { release, .. } => {
                StoredState::rest_offline(directory, token, Some(release)).await
            }
            _ => StoredState::fence_offline(directory, token).await,
        };
        match fenced {
            Ok(()) => done(idle.to_owned()),
            Err(error) => Unanswered::from(error).into_outcome(),
        }
    }
}

#[async_trait]
impl Platform for ProcessPlatform {
    async fn state(&self) -> Result<PlatformState, PlatformUnreadable> {
        observe::platform_state(&self.options.directory, self.supervised().read().await.map_err(unreadable)?)
    }

    async fn fence(&self, token: u64) -> EffectOutcome {
        self.raise_fence(token).await
    }

    async fn start(&self, release: &ReleaseId, context: &EffectContext<'_>) -> EffectOutcome {
        match self.start_request(release, context.token) {
            Ok(request) => self.effect(request).await,
            Err(error) => {
                let message = format!("release `{release}` cannot be configured: {error}");
                let failure = Failure::new(FailureClass::Failed, message);
                EffectOutcome::NotDone(Failure { hint: error.hint(), ..failure })
            }
        }
    }

    async fn await_ready(&self, release: &ReleaseId, _context: &EffectContext<'_>) -> EffectOutcome {
        ready::await_ready(&self.options, release).await
    }

    async fn shift(&self, to: &ReleaseId, context: &EffectContext<'_>) -> EffectOutcome {
        self.effect(Request::Switch { to: to.clone(), token: context.token }).await
    }

    async fn restore(
        &self,
        to: Option<&ReleaseId>,
        from: &ReleaseId,
        context: &EffectContext<'_>,
    ) -> EffectOutcome {
        match to {
            Some(to) => self.bring_back(to, from, context).await,
            None => {
                let request = Request::Withdraw { release: from.clone(), token: context.token };
                self.ending_effect(request, "nothing serves").await
            }
        }
    }

    async fn stop(&self, release: &ReleaseId, context: &EffectContext<'_>) -> EffectOutcome {
        let request = Request::Stop { release: release.clone(), token: context.token };
        self.ending_effect(request, &format!("{release} did not run")).await
    }

    async fn retire(&self, keep: &[ReleaseId], context: &EffectContext<'_>) -> EffectOutcome {
        match self.is_at_rest().await {
            Ok(false) => self.effect(Request::Retire { keep: keep.to_vec(), token: context.token }).await,
            Err(unanswered) => unanswered.into_outcome(),
            Ok(true) => match retire_offline(&self.options.directory, context.token, keep).await {
                Ok(Ok(summary)) => done(summary),
                Ok(Err(reason)) => EffectOutcome::NotDone(Failure::new(FailureClass::Failed, reason)),
                Err(error) => Unanswered::from(error).into_outcome(),
            },
        }
    }
}

/// What bringing a release back takes, in order.
enum Bring {
    Start,
    Await,
    Shift,
}

impl ProcessPlatform {
    /// Lets `to` serve again, started anew when it is gone or on its way out, and ends `from`.
    async fn bring_back(
        &self,
        to: &ReleaseId,
        from: &ReleaseId,
        context: &EffectContext<'_>,
    ) -> EffectOutcome {
        for step in [Bring::Start, Bring::Await, Bring::Shift] {
            let outcome = match step {
                Bring::Start => self.start(to, context).await,
                Bring::Await => self.await_ready(to, context).await,
                Bring::Shift => self.shift(to, context).await,
            };
            if !matches!(outcome, EffectOutcome::Done(_)) {
                return outcome;
            }
        }
        if from != to
            && let stopped @ (EffectOutcome::NotDone(_) | EffectOutcome::Unknown(_)) =
                self.stop(from, context).await
        {
            return stopped;
        }
        done(format!("{to} serves again"))
    }
}

fn done(summary: String) -> EffectOutcome {
    EffectOutcome::Done(Evidence { facts: json!({}), checks: Vec::new(), summary })
}

fn unreadable(error: impl std::error::Error) -> PlatformUnreadable {
    let cause = error.source().map(|source| format!(": {source}")).unwrap_or_default();
    PlatformUnreadable { reason: format!("{error}{cause}") }
}
