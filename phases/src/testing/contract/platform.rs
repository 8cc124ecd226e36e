//! What every platform promises. Use: `phases::platform_contract!(Stand::new().await)` in a test module, with
//! the expression giving a fresh [`Stand`] each time.
//!
//! Length: one list of promises, to be read as one; each of them is short.

use std::time::Duration;

use async_trait::async_trait;

use crate::engine::effects::{EffectContext, EffectOutcome};
use crate::engine::failure::{Failure, FailureClass};
use crate::engine::platform::{Platform, PlatformState, Role};
use crate::engine::step::StepId;
use crate::release::ReleaseId;
use crate::testing::machine::Behaviour;

/// A platform to be tried, with what a test must be able to do around it.
#[async_trait]
pub trait Stand: Send + Sync {
    /// The platform.
    fn platform(&self) -> &dyn Platform;

    /// Puts the content of a new release there that behaves like this. Each call gives another release.
    async fn provide(&self, behaviour: Behaviour) -> ReleaseId;

    /// Who answers a new connection to the public address right now.
    async fn answers(&self) -> Option<ReleaseId>;

    /// How long something that goes on by itself, like draining, may take.
    fn patience(&self) -> Duration;

    /// Something of the platform itself runs, as a supervisor; not the releases.
    async fn runs_itself(&self) -> bool;

    /// Waits until what runs of the platform itself is gone, once no release runs any more.
    async fn until_at_rest(&self) {
        let begun = std::time::Instant::now();
        while self.runs_itself().await {
            assert!(begun.elapsed() < self.patience(), "the platform itself goes on running");
            self.pause().await;
        }
    }

    /// Waits a little between two looks.
    async fn pause(&self);
}

/// Makes a test of every promise. Needs tokio in the calling crate.
#[macro_export]
macro_rules! platform_contract {
    ($stand:expr) => {
        $crate::platform_contract! { $stand;
            nothing_runs_at_first
            candidate_has_no_traffic
            second_start_is_adopted
            content_that_is_missing_is_not_started
            ready_release_is_found_ready
            release_that_exits_is_reported_with_its_log
            release_that_is_never_ready_is_reported
            first_shift_makes_it_serve
            second_shift_changes_nothing
            shift_replaces_and_remembers
            restore_brings_the_old_one_back
            restore_after_the_old_one_is_gone_starts_it
            restore_tolerates_a_shift_that_never_was
            restore_to_nothing_stops_serving
            stop_takes_the_candidate_only
            retire_spares_what_is_kept_and_what_runs
            older_token_is_refused
            fence_refuses_whatever_is_older
            fence_is_never_lowered
            fence_starts_nothing
        }
    };
    ($stand:expr; $($promise:ident)*) => {
        $(#[tokio::test]
        async fn $promise() {
            $crate::testing::contract::platform::$promise(&$stand).await;
        })*
    };
}

/// A fresh platform runs nothing and a look at it changes that in no way.
pub async fn nothing_runs_at_first(stand: &dyn Stand) {
    let first = state(stand).await;
    assert!(first.instances.is_empty(), "{first:?}");
    assert_eq!((&first.serving, &first.previous), (&None, &None));
    assert_eq!(state(stand).await, first);
    assert_eq!(stand.answers().await, None);
}

/// A started release runs beside what serves and nobody gets to it.
pub async fn candidate_has_no_traffic(stand: &dyn Stand) {
    let old = serving(stand, 1).await;
    let new = stand.provide(Behaviour::Well).await;
    done(stand.platform().start(&new, &context(1)).await);
    assert_eq!(role(&state(stand).await, &new), Some(Role::Candidate));
    assert_eq!(stand.answers().await, Some(old.clone()));
    assert_eq!(state(stand).await.serving, Some(old));
}

/// Starting what runs already gives no second instance, be it candidate or serving.
pub async fn second_start_is_adopted(stand: &dyn Stand) {
    let release = stand.provide(Behaviour::Well).await;
    for _ in 0..2 {
        done(stand.platform().start(&release, &context(1)).await);
    }
    done(stand.platform().await_ready(&release, &context(1)).await);
    done(stand.platform().shift(&release, &context(1)).await);
    done(stand.platform().start(&release, &context(1)).await);
    let state = state(stand).await;
    assert_eq!(state.instances.len(), 1, "{state:?}");
    assert_eq!(stand.answers().await, Some(release));
}

/// A release without content is not started.
pub async fn content_that_is_missing_is_not_started(stand: &dyn Stand) {
    let missing = "ffffffffffff.ffffffff".parse().unwrap();
    not_done(stand.platform().start(&missing, &context(1)).await);
    assert!(state(stand).await.instances.is_empty());
}

/// A release that gets ready is found to be.
pub async fn ready_release_is_found_ready(stand: &dyn Stand) {
    let release = stand.provide(Behaviour::Well).await;
    done(stand.platform().start(&release, &context(1)).await);
    done(stand.platform().await_ready(&release, &context(1)).await);
}

/// A release that exits is the release's failure and comes with the last lines of its log.
pub async fn release_that_exits_is_reported_with_its_log(stand: &dyn Stand) {
    unready(stand, Behaviour::Exits).await;
}

/// A release that is never ready is the release's failure; what served serves on.
pub async fn release_that_is_never_ready_is_reported(stand: &dyn Stand) {
    unready(stand, Behaviour::NeverReady).await;
}

async fn unready(stand: &dyn Stand, behaviour: Behaviour) {
    let old = serving(stand, 1).await;
    let new = stand.provide(behaviour).await;
    // An exit may be seen by the start already.
    let failure = match stand.platform().start(&new, &context(1)).await {
        EffectOutcome::Done(_) => not_done(stand.platform().await_ready(&new, &context(1)).await),
        outcome => not_done(outcome),
    };
    assert_eq!(failure.class, FailureClass::ReleaseFailed, "{failure:?}");
    assert!(!failure.detail.is_empty(), "no log lines: {failure:?}");
    done(stand.platform().stop(&new, &context(1)).await);
    assert_eq!(role(&state(stand).await, &new), None);
    assert_eq!(stand.answers().await, Some(old));
}

/// The first release to get the address answers there.
pub async fn first_shift_makes_it_serve(stand: &dyn Stand) {
    let release = serving(stand, 1).await;
    let state = state(stand).await;
    assert_eq!(stand.answers().await, Some(release.clone()));
    assert_eq!((&state.serving, &state.previous), (&Some(release.clone()), &None));
    assert_eq!(role(&state, &release), Some(Role::Serving));
}

/// A shift to what serves already is no change.
pub async fn second_shift_changes_nothing(stand: &dyn Stand) {
    serving(stand, 1).await;
    let release = serving(stand, 1).await;
    let before = state(stand).await;
    done(stand.platform().shift(&release, &context(1)).await);
    let after = state(stand).await;
    assert_eq!((&after.serving, &after.previous), (&before.serving, &before.previous));
    assert_eq!(stand.answers().await, Some(release));
}

/// The new one answers at once, the old one drains and goes, and the platform knows what was before.
pub async fn shift_replaces_and_remembers(stand: &dyn Stand) {
    let old = serving(stand, 1).await;
    let new = serving(stand, 1).await;
    assert_eq!(stand.answers().await, Some(new.clone()));
    let state = state(stand).await;
    assert_eq!((&state.serving, &state.previous), (&Some(new), &Some(old.clone())));
    assert!(matches!(role(&state, &old), None | Some(Role::Draining)), "{state:?}");
}

/// The old one answers again, the new one is stopped; once more changes nothing.
pub async fn restore_brings_the_old_one_back(stand: &dyn Stand) {
    let (old, new) = (serving(stand, 1).await, serving(stand, 1).await);
    for _ in 0..2 {
        done(stand.platform().restore(Some(&old), &new, &context(1)).await);
        only(stand, &old).await;
    }
}

/// An old release that has drained and ended is started again.
pub async fn restore_after_the_old_one_is_gone_starts_it(stand: &dyn Stand) {
    let (old, new) = (serving(stand, 1).await, serving(stand, 1).await);
    gone(stand, &old).await;
    done(stand.platform().restore(Some(&old), &new, &context(1)).await);
    only(stand, &old).await;
}

/// Undoing a shift that never happened stops the candidate and leaves what serves.
pub async fn restore_tolerates_a_shift_that_never_was(stand: &dyn Stand) {
    let old = serving(stand, 1).await;
    let new = stand.provide(Behaviour::Well).await;
    done(stand.platform().start(&new, &context(1)).await);
    done(stand.platform().restore(Some(&old), &new, &context(1)).await);
    only(stand, &old).await;
}

/// Undoing the first shift leaves nothing.
pub async fn restore_to_nothing_stops_serving(stand: &dyn Stand) {
    let release = serving(stand, 1).await;
    for _ in 0..2 {
        done(stand.platform().restore(None, &release, &context(1)).await);
        gone(stand, &release).await;
        assert_eq!(stand.answers().await, None);
        assert_eq!(state(stand).await.serving, None);
    }
}

/// A candidate goes, an unknown one is no error, and what serves is never stopped.
pub async fn stop_takes_the_candidate_only(stand: &dyn Stand) {
    let old = serving(stand, 1).await;
    let new = stand.provide(Behaviour::Well).await;
    done(stand.platform().start(&new, &context(1)).await);
    for _ in 0..2 {
        done(stand.platform().stop(&new, &context(1)).await);
        assert_eq!(role(&state(stand).await, &new), None);
    }
    let _ = stand.platform().stop(&old, &context(1)).await;
    only(stand, &old).await;
}

/// Content goes unless it is kept, serves or runs.
pub async fn retire_spares_what_is_kept_and_what_runs(stand: &dyn Stand) {
    let unused = stand.provide(Behaviour::Well).await;
    let kept = stand.provide(Behaviour::Well).await;
    let serves = serving(stand, 1).await;
    let candidate = stand.provide(Behaviour::Well).await;
    done(stand.platform().start(&candidate, &context(1)).await);
    for _ in 0..2 {
        done(stand.platform().retire(std::slice::from_ref(&kept), &context(1)).await);
        let present = state(stand).await.present;
        assert!(!present.contains(&unused), "{present:?}");
        for id in [&kept, &serves, &candidate] {
            assert!(present.contains(id), "{id} is gone: {present:?}");
        }
    }
}

/// Once a token has been seen, no effect with a lower one happens.
pub async fn older_token_is_refused(stand: &dyn Stand) {
    let old = serving(stand, 5).await;
    let new = stand.provide(Behaviour::Well).await;
    done(stand.platform().start(&new, &context(6)).await);
    let before = state(stand).await;
    assert_eq!(before.token, 6);
    refuses_all(stand, &old, &new, 5).await;
    assert_eq!(state(stand).await, before);
    assert_eq!(stand.answers().await, Some(old));
}

/// Every effect with this token is one of a run that a newer one has replaced.
async fn refuses_all(stand: &dyn Stand, serving: &ReleaseId, candidate: &ReleaseId, token: u64) {
    let (platform, stale) = (stand.platform(), context(token));
    for outcome in [
        platform.start(serving, &stale).await,
        platform.shift(candidate, &stale).await,
        platform.restore(None, serving, &stale).await,
        platform.stop(candidate, &stale).await,
        platform.retire(&[], &stale).await,
    ] {
        assert_eq!(not_done(outcome).class, FailureClass::LeaseLost);
    }
}

/// After the fence was raised no effect with a lower token happens, and one with that token does.
pub async fn fence_refuses_whatever_is_older(stand: &dyn Stand) {
    let old = serving(stand, 1).await;
    let new = stand.provide(Behaviour::Well).await;
    done(stand.platform().start(&new, &context(1)).await);
    done(stand.platform().fence(3).await);
    let before = state(stand).await;
    assert_eq!(before.token, 3);
    refuses_all(stand, &old, &new, 2).await;
    assert_eq!(state(stand).await, before);
    assert_eq!(stand.answers().await, Some(old));
    done(stand.platform().shift(&new, &context(3)).await);
    assert_eq!(stand.answers().await, Some(new));
}

/// A fence below the highest token is refused and lowers nothing; the same one again is none.
pub async fn fence_is_never_lowered(stand: &dyn Stand) {
    serving(stand, 4).await;
    for token in [4, 6, 6] {
        done(stand.platform().fence(token).await);
    }
    let before = state(stand).await;
    for token in [1, 5] {
        assert_eq!(not_done(stand.platform().fence(token).await).class, FailureClass::LeaseLost);
    }
    assert_eq!((before.token, state(stand).await), (6, before));
}

/// Before anything runs, and when everything is gone again, the fence is raised without anything being started.
pub async fn fence_starts_nothing(stand: &dyn Stand) {
    done(stand.platform().fence(2).await);
    let now = state(stand).await;
    assert_eq!((now.instances.len(), now.token, stand.runs_itself().await), (0, 2, false));
    let release = stand.provide(Behaviour::Well).await;
    let early = not_done(stand.platform().start(&release, &context(1)).await);
    assert_eq!(early.class, FailureClass::LeaseLost);
    done(stand.platform().start(&release, &context(2)).await);
    done(stand.platform().stop(&release, &context(2)).await);
    gone(stand, &release).await;
    stand.until_at_rest().await;
    done(stand.platform().fence(3).await);
    let now = state(stand).await;
    assert_eq!((now.instances.len(), now.token, stand.runs_itself().await), (0, 3, false));
    assert_eq!(not_done(stand.platform().fence(2).await).class, FailureClass::LeaseLost);
}

/// A new release that has been brought to serve.
async fn serving(stand: &dyn Stand, token: u64) -> ReleaseId {
    let release = stand.provide(Behaviour::Well).await;
    done(stand.platform().start(&release, &context(token)).await);
    done(stand.platform().await_ready(&release, &context(token)).await);
    done(stand.platform().shift(&release, &context(token)).await);
    release
}

/// `release` serves, and in the end nothing else runs.
async fn only(stand: &dyn Stand, release: &ReleaseId) {
    assert_eq!(stand.answers().await.as_ref(), Some(release));
    let alone = |state: &PlatformState| state.instances.iter().all(|instance| &instance.release == release);
    until(stand, alone, "something else goes on running").await;
    let state = state(stand).await;
    assert_eq!((state.serving.as_ref(), role(&state, release)), (Some(release), Some(Role::Serving)));
}

/// In the end `release` does not run.
async fn gone(stand: &dyn Stand, release: &ReleaseId) {
    until(stand, |state| role(state, release).is_none(), "it goes on running").await;
}

async fn until(stand: &dyn Stand, so: impl Fn(&PlatformState) -> bool, otherwise: &str) {
    let begun = std::time::Instant::now();
    loop {
        let now = state(stand).await;
        if so(&now) {
            return;
        }
        assert!(begun.elapsed() < stand.patience(), "{otherwise}: {now:?}");
        stand.pause().await;
    }
}

async fn state(stand: &dyn Stand) -> PlatformState {
    stand.platform().state().await.unwrap()
}

fn role(state: &PlatformState, release: &ReleaseId) -> Option<Role> {
    state.instances.iter().find(|instance| &instance.release == release).map(|instance| instance.role)
}

fn context(token: u64) -> EffectContext<'static> {
    static STEP: std::sync::LazyLock<StepId> = std::sync::LazyLock::new(|| StepId("deploy.start".to_owned()));
    EffectContext { run: "run-1", token, step: &STEP, progress: &|_| {} }
}

#[track_caller]
fn done(outcome: EffectOutcome) {
    assert!(matches!(outcome, EffectOutcome::Done(_)), "{outcome:?}");
}

#[track_caller]
fn not_done(outcome: EffectOutcome) -> Failure {
    match outcome {
        EffectOutcome::NotDone(failure) => failure,
        other => panic!("it should not be done: {other:?}"),
    }
}
