//! Switching the public address between releases, forth and back, while clients ask.

use std::time::{Duration, Instant};

use phases::engine::failure::FailureClass;
use phases::engine::platform::{Platform, Role};
use rustix::process::{Pid, Signal, kill_process};

use super::database::seeded;
use super::load::Load;
use super::machine::{Machine, done, kill, not_done, roles, until};
use crmctl::platform::process::postgres::PrivatePostgres;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_switches_and_three_ways_back_fail_no_request() {
    let machine = Machine::new();
    let dsn = seeded(&machine).await;
    let extra = [
        ("POSTGRES_DSN", dsn.as_str()),
        ("LOGIN_FAILURES_PER_ADDRESS", "1000"),
        ("REQUEST_TIMEOUT_SECONDS", "30"),
    ];
    let platform = machine.platform(&extra);
    let releases: Vec<_> = (1..=4).map(|number| machine.release(number)).collect();
    machine.deploy(&platform, &releases[0], 1).await;
    let load = Load::start(machine.address, 12, Duration::from_millis(60));
    let mut decisions = Vec::new();
    for (token, pair) in (2..).zip(releases.windows(2)) {
        let context = machine.context(token);
        done(platform.start(&pair[1], &context).await);
        done(platform.await_ready(&pair[1], &context).await);
        let begun = Instant::now();
        done(platform.shift(&pair[1], &context).await);
        decisions.push(begun.elapsed());
        load.meets(&pair[1], 100);
    }
    for (token, pair) in (10..).zip(releases.windows(2).rev()) {
        let begun = Instant::now();
        done(platform.restore(Some(&pair[0]), &pair[1], &machine.context(token)).await);
        decisions.push(begun.elapsed());
        assert_eq!(machine.answering().as_deref(), Some(pair[0].as_str()));
        load.meets(&pair[0], 100);
    }
    let seen = load.stop();
    assert!(seen.failures.is_empty(), "{} failed: {:#?}", seen.failures.len(), seen.failures);
    for release in &releases {
        assert!(
            seen.releases.contains_key(release.as_str()),
            "{release} never answered: {:?}",
            seen.releases
        );
    }
    assert!(decisions.iter().all(|took| *took < Duration::from_secs(3)), "{decisions:?}");
    platform.down(99).await.unwrap();
}

#[tokio::test]
async fn replaced_release_drains_and_ends_by_itself() {
    let machine = Machine::new();
    let platform = machine.platform(&[]);
    let (old, new) = (machine.release(1), machine.release(2));
    machine.deploy(&platform, &old, 1).await;
    let pid = machine.instance_pid(&old, "serving");
    machine.deploy(&platform, &new, 2).await;
    let state = platform.state().await.unwrap();
    assert_eq!((state.serving.as_ref(), state.previous.as_ref()), (Some(&new), Some(&old)));
    until("the old one ends", || !std::path::Path::new(&format!("/proc/{pid}")).exists());
    until("it is struck off", || machine.notes()["instances"].as_array().unwrap().len() == 1);
    assert_eq!(roles(&platform.state().await.unwrap(), &new), [Role::Serving]);
    platform.down(2).await.unwrap();
}

#[tokio::test]
async fn release_that_does_not_listen_leaves_the_old_one_serving() {
    let machine = Machine::new();
    let platform = machine.platform(&[]);
    let (old, new) = (machine.release(1), machine.release(2));
    machine.deploy(&platform, &old, 1).await;
    let context = machine.context(2);
    done(platform.start(&new, &context).await);
    done(platform.await_ready(&new, &context).await);
    let stopped = Pid::from_raw(machine.instance_pid(&new, "candidate")).unwrap();
    kill_process(stopped, Signal::STOP).unwrap();
    let failure = not_done(platform.shift(&new, &context).await);
    assert_eq!(failure.class, FailureClass::ReleaseFailed);
    assert!(failure.message.contains("did not take the public address"), "{}", failure.message);
    let state = platform.state().await.unwrap();
    assert_eq!(state.serving, Some(old.clone()));
    assert!(roles(&state, &new).is_empty());
    assert_eq!(machine.answering().as_deref(), Some(old.as_str()));
    platform.down(2).await.unwrap();
}

#[tokio::test]
async fn old_release_that_hangs_is_replaced_all_the_same() {
    let machine = Machine::new();
    let platform = machine.platform(&[]);
    let (old, new) = (machine.release(1), machine.release(2));
    machine.deploy(&platform, &old, 1).await;
    let hanging = machine.instance_pid(&old, "serving");
    kill_process(Pid::from_raw(hanging).unwrap(), Signal::STOP).unwrap();
    machine.deploy(&platform, &new, 2).await;
    assert_eq!(machine.answering().as_deref(), Some(new.as_str()));
    until("the hanging one is killed", || !std::path::Path::new(&format!("/proc/{hanging}")).exists());
    platform.down(2).await.unwrap();
}

#[tokio::test]
async fn killed_serving_release_comes_back_and_callers_wait_in_the_queue() {
    let machine = Machine::new();
    let platform = machine.platform(&[]);
    let release = machine.release(1);
    machine.deploy(&platform, &release, 1).await;
    for _ in 0..2 {
        let before = machine.instance_pid(&release, "serving");
        kill(before);
        // The call finds a listening socket and is answered by the restarted process.
        assert_eq!(machine.answering().as_deref(), Some(release.as_str()));
        until("another process serves", || machine.instance_pid(&release, "serving") != before);
    }
    let state = platform.state().await.unwrap();
    assert_eq!(roles(&state, &release), [Role::Serving]);
    machine.deploy(&platform, &machine.release(2), 2).await;
    platform.down(2).await.unwrap();
}

#[tokio::test]
async fn crash_of_what_serves_does_not_stop_a_switch() {
    let machine = Machine::new();
    let platform = machine.platform(&[]);
    let (old, new) = (machine.release(1), machine.release(2));
    machine.deploy(&platform, &old, 1).await;
    let context = machine.context(2);
    done(platform.start(&new, &context).await);
    done(platform.await_ready(&new, &context).await);
    kill(machine.instance_pid(&old, "serving"));
    done(platform.shift(&new, &context).await);
    assert_eq!(machine.answering().as_deref(), Some(new.as_str()));
    until("only the new one is left", || {
        let notes = machine.notes();
        notes["instances"].as_array().unwrap().iter().all(|instance| instance["release"] == new.as_str())
    });
    platform.down(2).await.unwrap();
}

#[tokio::test]
async fn what_serves_is_never_stopped_or_retired() {
    let machine = Machine::new();
    let platform = machine.platform(&[]);
    let (serving, kept, other) = (machine.release(1), machine.release(2), machine.release(3));
    machine.deploy(&platform, &serving, 1).await;
    let context = machine.context(1);
    assert_eq!(not_done(platform.stop(&serving, &context).await).class, FailureClass::Refused);
    done(platform.retire(std::slice::from_ref(&kept), &context).await);
    let present = platform.state().await.unwrap().present;
    assert!(present.contains(&serving) && present.contains(&kept) && !present.contains(&other));
    assert_eq!(machine.answering().as_deref(), Some(serving.as_str()));
    platform.down(1).await.unwrap();
}

#[tokio::test]
async fn failed_first_deploy_leaves_nothing_serving() {
    let machine = Machine::new();
    let platform = machine.platform(&[]);
    let release = machine.release(1);
    machine.deploy(&platform, &release, 1).await;
    done(platform.restore(None, &release, &machine.context(1)).await);
    let state = platform.state().await.unwrap();
    assert!(state.serving.is_none() && state.instances.is_empty());
    assert!(std::net::TcpStream::connect(machine.address).is_err(), "somebody still listens");
    done(platform.restore(None, &release, &machine.context(1)).await);
    until("all is over", || machine.processes().is_empty());
    assert_eq!(
        PrivatePostgres::new(machine.state()).state().unwrap(),
        crmctl::platform::process::postgres::PostgresState::Absent
    );
}
