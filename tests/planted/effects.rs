//! Effects with a bug.

use async_trait::async_trait;
use crmctl::effects::SiteEffects;
use crmctl::site::Site;
use phases::engine::effects::{EffectContext, EffectOutcome, Effects, Evidence, Probe};
use phases::engine::failure::{Failure, FailureClass};
use phases::engine::platform::{Platform, Role};
use phases::engine::step::{Action, Undo};

use crate::Bug;

/// The real ones, and what the bug makes of them.
pub(crate) struct Faulty<'s> {
    site: &'s Site,
    real: SiteEffects<'s>,
    bug: Option<Bug>,
    /// This process goes on with a run that another one began.
    goes_on: bool,
}

impl<'s> Faulty<'s> {
    pub(crate) fn around(site: &'s Site, real: SiteEffects<'s>, bug: Option<Bug>, verb: &str) -> Self {
        Self { site, real, bug, goes_on: verb == "resume" }
    }

    /// It is not as the action left it: it was never done, or what was done later has been taken back with it.
    async fn is_otherwise(&self, undo: &Undo) -> bool {
        let Ok(state) = self.site.platform.state().await else { return false };
        match undo {
            Undo::StopRelease { release } => {
                let waits = |role| role == Role::Candidate;
                !state.instances.iter().any(|found| found.release == *release && waits(found.role))
            }
            Undo::RestoreTraffic { to, .. } => state.serving == *to,
            Undo::Nothing | Undo::ForwardOnly { .. } => false,
        }
    }
}

#[async_trait]
impl Effects for Faulty<'_> {
    async fn probe(&self, action: &Action) -> Probe {
        match (self.bug, action) {
            (Some(Bug::ProbeSaysDone), _) if self.goes_on => Probe::Done(Evidence::default()),
            (Some(Bug::SwitchNotProved), Action::ShiftTraffic { .. }) => Probe::NotDone,
            _ => self.real.probe(action).await,
        }
    }

    async fn fence(&self, token: u64) -> EffectOutcome {
        self.real.fence(token).await
    }

    async fn apply(&self, action: &Action, context: &EffectContext<'_>) -> EffectOutcome {
        match (self.bug, action) {
            (Some(Bug::SwitchNotProved), Action::ShiftTraffic { .. })
            | (Some(Bug::CleanUpForgotten), Action::RetireReleases { .. }) => {
                EffectOutcome::Done(Evidence::default())
            }
            _ => self.real.apply(action, context).await,
        }
    }

    async fn undo(&self, undo: &Undo, context: &EffectContext<'_>) -> EffectOutcome {
        match self.bug {
            Some(Bug::UndoSkipped) => EffectOutcome::Done(Evidence::default()),
            Some(Bug::UndoIntolerant) if self.is_otherwise(undo).await => {
                let message = format!("cannot {undo}: it is not so");
                EffectOutcome::NotDone(Failure::new(FailureClass::Failed, message))
            }
            _ => self.real.undo(undo, context).await,
        }
    }
}
