//! A supervisor that dies, and the one that comes after it.

use std::time::Duration;

use phases::engine::failure::FailureClass;
use phases::engine::platform::{Platform, Role};
use rustix::process::{Pid, Signal, kill_process};

use super::adoption::{gone, rewrite, tell_to_serve};
use super::load::Load;
use super::machine::{Machine, done, kill, not_done, roles, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn release_serves_on_without_its_supervisor_and_a_successor_can_switch() {
    let machine = Machine::new();
    let platform = machine.platform(&[]);
    let (old, new) = (machine.release(1), machine.release(2));
    machine.deploy(&platform, &old, 1).await;
    let served_by = machine.instance_pid(&old, "serving");
    let supervisor = machine.supervisor_pid();
    kill(supervisor);
    until("the supervisor is dead", || gone(supervisor));
    assert_eq!(machine.answering().as_deref(), Some(old.as_str()));
    let state = platform.state().await.unwrap();
    assert_eq!(roles(&state, &old), [Role::Serving]);
    assert_eq!(machine.supervisor_pid(), supervisor, "looking started something");

    machine.deploy(&platform, &new, 2).await;
    assert_ne!(machine.supervisor_pid(), supervisor);
    assert_eq!(machine.answering().as_deref(), Some(new.as_str()));
    until("the adopted one drains and ends", || gone(served_by));
    until("it is struck off", || machine.notes()["instances"].as_array().unwrap().len() == 1);
    platform.down(2).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_supervisors_come_and_go() {
    let machine = Machine::new();
    let platform = machine.platform(&[]);
    machine.deploy(&platform, &machine.release(1), 1).await;
    let load = Load::start_gets(machine.address, 8, Duration::from_millis(20));
    for number in 2..5 {
        let supervisor = machine.supervisor_pid();
        kill(supervisor);
        until("the supervisor is dead", || gone(supervisor));
        let release = machine.release(number);
        machine.deploy(&platform, &release, u64::from(number)).await;
        load.meets(&release, 50);
    }
    let seen = load.stop();
    assert!(seen.failures.is_empty(), "{:#?}", seen.failures);
    assert_eq!(seen.releases.len(), 4, "{:?}", seen.releases);
    platform.down(9).await.unwrap();
}

#[tokio::test]
async fn terminated_supervisor_leaves_releases_alive() {
    let machine = Machine::new();
    let platform = machine.platform(&[]);
    let release = machine.release(1);
    machine.deploy(&platform, &release, 1).await;
    let supervisor = machine.supervisor_pid();
    kill_process(Pid::from_raw(supervisor).unwrap(), Signal::TERM).unwrap();
    until("it is over", || gone(supervisor));
    assert_eq!(machine.answering().as_deref(), Some(release.as_str()));
    platform.down(2).await.unwrap();
    assert!(std::net::TcpStream::connect(machine.address).is_err());
}

#[tokio::test]
async fn adopted_release_that_is_killed_comes_back_with_its_environment() {
    let machine = Machine::new();
    let platform = machine.platform(&[("LOG_LEVEL", "info,crm_backend=debug")]);
    let (release, other) = (machine.release(1), machine.release(2));
    machine.deploy(&platform, &release, 1).await;
    let supervisor = machine.supervisor_pid();
    kill(supervisor);
    until("the supervisor is dead", || gone(supervisor));
    // An effect brings the successor.
    done(platform.start(&other, &machine.context(2)).await);
    done(platform.stop(&other, &machine.context(2)).await);
    let before = machine.instance_pid(&release, "serving");
    kill(before);
    assert_eq!(machine.answering().as_deref(), Some(release.as_str()));
    until("another process serves", || machine.instance_pid(&release, "serving") != before);
    let pid = machine.instance_pid(&release, "serving");
    let environment = String::from_utf8(std::fs::read(format!("/proc/{pid}/environ")).unwrap()).unwrap();
    assert!(environment.contains("LOG_LEVEL=info,crm_backend=debug"));
    assert!(environment.contains("LISTEN_FDS=3\0"));
    assert_eq!(environment.matches("LISTEN_FDS=").count(), 1);
    machine.deploy(&platform, &other, 3).await;
    platform.down(3).await.unwrap();
}

#[tokio::test]
async fn release_that_died_with_its_supervisor_is_started_again_by_the_next_effect() {
    let machine = Machine::new();
    let platform = machine.platform(&[]);
    let release = machine.release(1);
    machine.deploy(&platform, &release, 1).await;
    // As when the power fails.
    let (supervisor, served_by) = (machine.supervisor_pid(), machine.instance_pid(&release, "serving"));
    kill(supervisor);
    kill(served_by);
    until("both are dead", || gone(supervisor) && gone(served_by));
    assert_eq!(machine.answering(), None);
    let state = platform.state().await.unwrap();
    assert_eq!(state.serving, Some(release.clone()));
    assert!(state.instances.is_empty());
    machine.deploy(&platform, &release, 2).await;
    let state = platform.state().await.unwrap();
    assert_eq!((state.serving, state.previous), (Some(release), None));
    platform.down(2).await.unwrap();
}

#[tokio::test]
async fn unfinished_switch_is_finished_by_the_successor() {
    let machine = Machine::new();
    let platform = machine.platform(&[]);
    let (old, new) = (machine.release(1), machine.release(2));
    machine.deploy(&platform, &old, 1).await;
    let context = machine.context(2);
    done(platform.start(&new, &context).await);
    done(platform.await_ready(&new, &context).await);
    let supervisor = machine.supervisor_pid();
    kill(supervisor);
    until("the supervisor is dead", || gone(supervisor));
    // The moment between the two commands: both accept, and only the note tells which one is meant.
    tell_to_serve(&machine, 1);
    rewrite(&machine, |notes| notes["switching"] = new.as_str().into());

    let old_pid = machine.instance_pid(&old, "serving");
    done(platform.shift(&new, &context).await);
    let state = platform.state().await.unwrap();
    assert_eq!((state.serving, state.previous), (Some(new.clone()), Some(old)));
    until("the old one ends", || gone(old_pid));
    platform.down(2).await.unwrap();
}

#[tokio::test]
async fn another_address_is_refused_while_a_release_lives() {
    let machine = Machine::new();
    let platform = machine.platform(&[]);
    let release = machine.release(1);
    machine.deploy(&platform, &release, 1).await;
    let elsewhere = machine.platform_on("127.0.0.1:1".parse().unwrap());
    for _ in 0..2 {
        let failure = not_done(elsewhere.start(&machine.release(2), &machine.context(2)).await);
        assert_eq!(failure.class, FailureClass::Refused);
        assert!(failure.message.contains(&machine.address.to_string()), "{}", failure.message);
        assert!(failure.hint.unwrap().contains("crmctl down local"));
        assert_eq!(machine.answering().as_deref(), Some(release.as_str()));
        // The same from a supervisor that is there and from one that comes.
        let supervisor = machine.supervisor_pid();
        kill(supervisor);
        until("the supervisor is dead", || gone(supervisor));
    }
    // The way out that the hint names.
    elsewhere.down(2).await.unwrap();
    assert!(machine.processes().is_empty());
}

#[tokio::test]
async fn supervisor_that_nobody_asks_for_anything_gives_the_port_back() {
    let machine = Machine::new();
    // As when crmctl is killed between starting it and asking.
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_crmctl"))
        .args(["supervise", "local", "--address", &machine.address.to_string(), "--state-root"])
        .arg(machine.state().root())
        .spawn()
        .unwrap();
    until("it listens", || std::net::TcpStream::connect(machine.address).is_ok());
    until("it ends", || child.try_wait().unwrap().is_some_and(|status| status.success()));
    assert!(std::net::TcpStream::connect(machine.address).is_err());
}
