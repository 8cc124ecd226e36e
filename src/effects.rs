//! Every action happens here: one match, one file per action. What runs releases stands behind `Platform`.

mod blame;
mod build_backend;
mod build_image;
mod ensure_database;
pub mod fence;
pub mod migrate;
mod require;
pub mod run_load;
pub mod run_suite;
mod seed;
mod sides;
pub mod start_jobs;
mod start_release;
mod stays_up;
mod stop_leftovers;

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use phases::engine::effects::{EffectContext, EffectOutcome, Effects, Evidence, Probe};
use phases::engine::failure::{Failure, FailureClass};
use phases::engine::platform::{Platform, PlatformState, Role};
use phases::engine::step::{Action, Subject, Undo};

use crate::error::Error;
use crate::site::Site;
use fence::InHand;

/// Log lines that a failed gate shows.
const LAST_LINES: usize = 15;

/// The real effects of one environment.
pub struct SiteEffects<'s> {
    site: &'s Site,
    in_hand: Mutex<Option<InHand>>,
}

impl<'s> SiteEffects<'s> {
    /// Effects on `site`.
    pub const fn new(site: &'s Site) -> Self {
        Self { site, in_hand: Mutex::new(None) }
    }

    /// What an older run was still doing to the database when the fence was raised.
    pub fn in_hand(&self) -> Option<InHand> {
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Is the platform as `wanted` says?
    async fn platform_is(&self, summary: &str, wanted: impl Fn(&PlatformState) -> bool) -> Probe {
        match self.site.platform.state().await {
            Ok(state) if wanted(&state) => {
                Probe::Done(Evidence { summary: summary.to_owned(), ..Evidence::default() })
            }
            Ok(_) => Probe::NotDone,
            Err(error) => Probe::Unknown(Failure::new(FailureClass::Failed, error.to_string())),
        }
    }

    /// The gate's verdict with what the candidate logged.
    async fn gate(&self, suite: &str, subject: &Subject, context: &EffectContext<'_>) -> EffectOutcome {
        let outcome = run_suite::apply(self.site, suite, subject, context).await;
        match (outcome, subject) {
            (EffectOutcome::NotDone(failure), Subject::Candidate { release }) => {
                let lines = self.site.platform.last_lines_of(release, LAST_LINES).await;
                EffectOutcome::NotDone(failure.detail(lines))
            }
            (outcome, _) => outcome,
        }
    }
}

#[async_trait]
impl Effects for SiteEffects<'_> {
    async fn probe(&self, action: &Action) -> Probe {
        match action {
            Action::BuildBackend { release } => build_backend::probe(self.site, release),
            Action::BuildImage { release } => build_image::probe(self.site, release).await,
            Action::EnsureDatabase => ensure_database::probe(self.site).await,
            Action::Migrate { release, versions } => migrate::probe(self.site, release, versions).await,
            Action::Seed { .. } => seed::probe(self.site).await,
            Action::StartRelease { release } => {
                self.platform_is("it runs", |state| {
                    state.instances.iter().any(|i| i.release == *release && i.role != Role::Draining)
                })
                .await
            }
            Action::ShiftTraffic { to, .. } => self.site.platform.probe_shifted(to).await,
            Action::StartJobs => start_jobs::probe(self.site).await,
            Action::StopLeftovers { releases } => {
                self.platform_is("nothing of it runs", |state| {
                    !state
                        .instances
                        .iter()
                        .any(|i| i.role == Role::Candidate && releases.contains(&i.release))
                })
                .await
            }
            Action::RetireReleases { keep } => {
                self.platform_is("nothing to remove", |state| {
                    state.present.iter().all(|release| {
                        keep.contains(release) || state.instances.iter().any(|i| i.release == *release)
                    })
                })
                .await
            }
            Action::Require { .. }
            | Action::AwaitReady { .. }
            | Action::RunSuite { .. }
            | Action::RunLoad { .. } => Probe::NotDone,
        }
    }

    async fn fence(&self, token: u64) -> EffectOutcome {
        let (outcome, in_hand) = fence::raise(self.site, token).await;
        *self.in_hand.lock().unwrap_or_else(PoisonError::into_inner) = in_hand;
        outcome
    }

    async fn apply(&self, action: &Action, context: &EffectContext<'_>) -> EffectOutcome {
        let (site, platform) = (self.site, &self.site.platform);
        let outcome = match action {
            Action::Require { requirement } => require::apply(site, *requirement, context).await,
            Action::BuildBackend { release } => build_backend::apply(site, release, context).await,
            Action::BuildImage { release } => build_image::apply(site, release, context).await,
            Action::EnsureDatabase => ensure_database::apply(site, context).await,
            Action::Migrate { release, versions } => migrate::apply(site, release, versions, context).await,
            Action::Seed { release } => seed::apply(site, release, context).await,
            Action::StartRelease { release } => start_release::apply(site, release, context).await,
            Action::AwaitReady { release } => platform.await_ready(release, context).await,
            Action::RunSuite { suite, subject } => self.gate(suite, subject, context).await,
            Action::ShiftTraffic { to, back: false, .. } => platform.shift(to, context).await,
            Action::ShiftTraffic { to, back: true, .. } => platform.shift_back(to, context).await,
            Action::StartJobs => start_jobs::apply(site, context).await,
            Action::StopLeftovers { releases } => stop_leftovers::apply(site, releases, context).await,
            Action::RetireReleases { keep } => platform.retire(keep, context).await,
            Action::RunLoad { suite, rate, duration_seconds, require, subject, .. } => {
                let load =
                    run_load::Load { suite, rate: *rate, seconds: *duration_seconds, require, subject };
                run_load::apply(site, &load, context).await
            }
        };
        blame::weigh(site, outcome).await
    }

    async fn undo(&self, undo: &Undo, context: &EffectContext<'_>) -> EffectOutcome {
        let platform = &self.site.platform;
        match undo {
            Undo::Nothing | Undo::ForwardOnly { .. } => EffectOutcome::Done(Evidence::default()),
            Undo::StopRelease { release } => platform.stop(release, context).await,
            Undo::RestoreTraffic { to, from } => {
                let outcome = platform.restore(to.as_ref(), from, context).await;
                sides::described(self.site, outcome, to.as_ref(), from).await
            }
        }
    }
}

/// What refuses a command, as a step that could not begin says it.
fn refusal(error: &Error) -> Failure {
    let failure = Failure::new(FailureClass::Refused, error.message.clone());
    match &error.hint {
        Some(hint) => failure.hint(hint.clone()),
        None => failure,
    }
}
