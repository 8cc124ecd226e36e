//! The fence on real supervisors: dead, at work for an older run, and silent.

use std::sync::atomic::{AtomicBool, Ordering};

use phases::engine::effects::EffectOutcome;
use phases::engine::failure::FailureClass;
use phases::engine::platform::{Platform, Role};
use rustix::process::{Pid, Signal, kill_process};

use super::adoption::gone;
use super::machine::{Machine, done, kill, not_done, roles, until};

fn signal(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

#[tokio::test]
async fn fence_without_a_supervisor_starts_none_and_binds_its_successor() {
    let machine = Machine::new();
    let platform = machine.platform(&[]);
    let (old, new) = (machine.release(1), machine.release(2));
    machine.deploy(&platform, &old, 1).await;
    let supervisor = machine.supervisor_pid();
    kill(supervisor);
    until("the supervisor is dead", || gone(supervisor));
    done(platform.fence(3).await);
    assert_eq!(machine.supervisor_pid(), supervisor, "the fence started something");
    assert_eq!(not_done(platform.fence(2).await).class, FailureClass::LeaseLost);
    assert_eq!(machine.supervisor_pid(), supervisor, "the fence started something");
    let early = not_done(platform.start(&new, &machine.context(2)).await);
    assert_eq!(early.class, FailureClass::LeaseLost);
    machine.deploy(&platform, &new, 3).await;
    assert_eq!(machine.answering().as_deref(), Some(new.as_str()));
    platform.down(3).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fence_is_raised_when_the_effect_of_an_older_run_is_over() {
    let machine = Machine::new();
    let platform = machine.platform(&[]);
    let (old, new) = (machine.release(1), machine.release(2));
    machine.deploy(&platform, &old, 1).await;
    done(platform.start(&new, &machine.context(1)).await);
    // Deaf to the request to end, so that its end takes as long as it may.
    signal(machine.instance_pid(&new, "candidate"), Signal::STOP);
    let (begun, over) = (AtomicBool::new(false), AtomicBool::new(false));
    let context = machine.context(1);
    let older = async {
        let outcome = {
            let stop = platform.stop(&new, &context);
            begun.store(true, Ordering::SeqCst);
            stop.await
        };
        over.store(true, Ordering::SeqCst);
        outcome
    };
    let newer = async {
        while !begun.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
        // The supervisor takes requests in the order in which they come.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let outcome = platform.fence(2).await;
        (outcome, over.load(Ordering::SeqCst), platform.state().await.unwrap())
    };
    let (stopped, (fenced, was_over, seen)) = tokio::join!(older, newer);
    done(stopped);
    done(fenced);
    assert!(was_over, "something of an older run was still under way");
    assert!(roles(&seen, &new).is_empty(), "{seen:?}");
    platform.down(2).await.unwrap();
}

#[tokio::test]
async fn silent_supervisor_leaves_the_fence_unknown_and_is_asked_again() {
    let machine = Machine::new();
    let platform = machine.platform(&[]);
    let release = machine.release(1);
    machine.deploy(&platform, &release, 1).await;
    let supervisor = machine.supervisor_pid();
    signal(supervisor, Signal::STOP);
    let outcome = platform.fence(2).await;
    signal(supervisor, Signal::CONT);
    assert!(matches!(outcome, EffectOutcome::Unknown(_)), "{outcome:?}");
    done(platform.fence(2).await);
    let state = platform.state().await.unwrap();
    assert_eq!((state.token, roles(&state, &release)), (2, vec![Role::Serving]));
    platform.down(2).await.unwrap();
}

#[tokio::test]
async fn releases_are_removed_where_nothing_lives_without_a_supervisor_and_not_for_an_older_run() {
    let machine = Machine::new();
    let platform = machine.platform(&[]);
    let (old, new) = (machine.release(1), machine.release(2));
    machine.deploy(&platform, &old, 1).await;
    platform.down(2).await.unwrap();
    let keep = std::slice::from_ref(&new);
    assert_eq!(not_done(platform.retire(keep, &machine.context(1)).await).class, FailureClass::LeaseLost);
    assert!(platform.state().await.unwrap().present.contains(&old), "an older run removed it");
    done(platform.retire(keep, &machine.context(2)).await);
    assert_eq!(platform.state().await.unwrap().present, [new]);
    assert!(!machine.state().sockets().unwrap().supervisor().exists(), "a supervisor was started");
}
