//! The fence on an engine: it touches no task, and two operators never both win.

use phases::engine::effects::EffectOutcome;
use phases::engine::failure::FailureClass;
use phases::engine::platform::{Platform, Role};
use phases::engine::step::StepId;
use phases::testing::contract::platform::Stand;
use phases::testing::machine::Behaviour;

use super::stand::SwarmStand;

fn context(step: &StepId, token: u64) -> phases::engine::effects::EffectContext<'_> {
    phases::engine::effects::EffectContext { run: "run-1", token, step, progress: &|_| {} }
}

fn done(outcome: EffectOutcome) {
    assert!(matches!(outcome, EffectOutcome::Done(_)), "{outcome:?}");
}

/// A label of a service is no change of what it runs.
#[tokio::test]
async fn raising_the_fence_starts_no_task_anew() {
    let stand = SwarmStand::new().await;
    let step = StepId("deploy.start".to_owned());
    let release = stand.provide(Behaviour::Well).await;
    done(stand.platform.start(&release, &context(&step, 1)).await);
    done(stand.platform.await_ready(&release, &context(&step, 1)).await);
    done(stand.platform.shift(&release, &context(&step, 1)).await);
    let before = stand.containers().await;
    assert_eq!(before.len(), 1, "{before:?}");
    done(stand.platform.fence(9).await);
    // Longer than the engine takes for a rollout: nothing may happen, so there is nothing to wait for.
    let watched = std::time::Instant::now();
    while watched.elapsed() < std::time::Duration::from_secs(8) {
        assert_eq!(stand.containers().await, before);
        stand.pause().await;
    }
    assert_eq!(stand.platform.state().await.unwrap().token, 9);
    assert_eq!(stand.answering().await, Some(release));
}

/// Many runs at once, each with a token of its own: the fence ends at the highest, and none below it changes anything after.
#[tokio::test]
async fn of_many_fences_at_once_the_highest_stays() {
    let stand = SwarmStand::new().await;
    let raised = futures_util::future::join_all((1..=8).map(|token| stand.platform.fence(token))).await;
    for outcome in &raised {
        let lost = |failure: &phases::engine::failure::Failure| failure.class == FailureClass::LeaseLost;
        let fair = matches!(outcome, EffectOutcome::Done(_))
            || matches!(outcome, EffectOutcome::NotDone(failure) if lost(failure));
        assert!(fair, "{outcome:?}");
    }
    assert_eq!(stand.platform.state().await.unwrap().token, 8);
}

/// Two operators start different candidates: whoever has the higher token has it in the end.
#[tokio::test]
async fn two_operators_never_both_have_the_candidate() {
    let stand = SwarmStand::new().await;
    let (old, new) = (StepId("deploy.start".to_owned()), StepId("deploy.start".to_owned()));
    let (one, other) = (stand.provide(Behaviour::Well).await, stand.provide(Behaviour::Well).await);
    let (old, new) = (context(&old, 1), context(&new, 2));
    let (first, second) = tokio::join!(stand.platform.start(&one, &old), stand.platform.start(&other, &new));
    done(second);
    drop(first);
    let state = stand.platform.state().await.unwrap();
    let candidates: Vec<_> = state
        .instances
        .iter()
        .filter(|found| found.role == Role::Candidate)
        .map(|found| &found.release)
        .collect();
    assert_eq!(candidates, [&other]);
    assert_eq!(state.token, 2);
}
