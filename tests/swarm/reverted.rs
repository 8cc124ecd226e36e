//! A release that is well as a candidate and dies once it serves: the engine goes back by itself, and the run's own way back finds
//! the old release as it should be.

use phases::engine::effects::{EffectContext, EffectOutcome};
use phases::engine::failure::FailureClass;
use phases::engine::platform::{Platform, Role};
use phases::engine::step::StepId;
use phases::testing::contract::platform::Stand;
use phases::testing::machine::Behaviour;

use super::stand::{SECRETS, SwarmStand};
use crate::harness::engine::until_service;

#[tokio::test]
async fn what_the_engine_took_back_is_taken_back() {
    let stand = SwarmStand::new().await;
    let step = StepId("deploy.shift".to_owned());
    let context = EffectContext { run: "run-1", token: 1, step: &step, progress: &|_| {} };
    let platform = &stand.platform;
    let done = |outcome: EffectOutcome| assert!(matches!(outcome, EffectOutcome::Done(_)), "{outcome:?}");
    let old = stand.provide(Behaviour::Well).await;
    // Its fourth request is its last; as a candidate it gets fewer.
    let new = stand.release(&[("CRM_FAULT", "late_crash=4")], &SECRETS).await;
    for release in [&old, &new] {
        done(platform.start(release, &context).await);
        done(platform.await_ready(release, &context).await);
        if release == &old {
            done(platform.shift(release, &context).await);
        }
    }
    let EffectOutcome::NotDone(failure) = platform.shift(&new, &context).await else {
        panic!("it should not be done");
    };
    assert_eq!(failure.class, FailureClass::ReleaseFailed, "{failure:?}");
    assert!(!failure.detail.is_empty(), "no log lines: {failure:?}");
    assert_eq!(stand.answering().await, Some(old.clone()));
    for _ in 0..2 {
        done(platform.restore(Some(&old), &new, &context).await);
    }
    let state = platform.state().await.unwrap();
    assert_eq!(state.serving, Some(old.clone()));
    assert!(
        state.instances.iter().any(|found| found.release == old && found.role == Role::Serving),
        "{state:?}"
    );
    assert_eq!(stand.answering().await, Some(old));
}

/// A fence writes the service, and the engine would begin a rollout that is under way anew, with nothing to go back to.
#[tokio::test]
async fn a_fence_waits_for_the_engine_to_go_back() {
    let stand = SwarmStand::new().await;
    let step = StepId("deploy.shift".to_owned());
    let context = EffectContext { run: "run-1", token: 1, step: &step, progress: &|_| {} };
    let platform = &stand.platform;
    let done = |outcome: EffectOutcome| assert!(matches!(outcome, EffectOutcome::Done(_)), "{outcome:?}");
    let old = stand.provide(Behaviour::Well).await;
    done(platform.start(&old, &context).await);
    done(platform.await_ready(&old, &context).await);
    done(platform.shift(&old, &context).await);
    // It answers nothing, so the engine finds it sick.
    let bad = stand.release(&[("CRM_FAULT", "exit")], &SECRETS).await;
    let fence = async {
        let service = format!("crm-{}-backend", stand.name);
        until_service(&service, "{{.UpdateStatus.State}}", |state| state == "updating").await;
        platform.fence(2).await
    };
    let (shifted, fenced) = tokio::join!(platform.shift(&bad, &context), fence);
    done(fenced);
    assert!(!matches!(shifted, EffectOutcome::Done(_)), "{shifted:?}");
    let state = platform.state().await.unwrap();
    assert_eq!((state.serving, state.token), (Some(old.clone()), 2));
    assert_eq!(stand.answering().await, Some(old));
}
