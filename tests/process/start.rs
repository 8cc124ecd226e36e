//! Starting releases: ready, adopted, refused, broken in every way a release can be.

use std::net::TcpListener;

use crmctl::supervisor::listener::port_holder;
use phases::engine::failure::FailureClass;
use phases::engine::platform::{Platform, Role};

use super::machine::{Machine, done, kill, not_done, roles, until};

#[tokio::test]
async fn started_release_is_a_candidate_without_traffic_until_the_shift() {
    let machine = Machine::new();
    let platform = machine.platform(&[]);
    let release = machine.release(1);
    assert_eq!(platform.state().await.unwrap().present, std::slice::from_ref(&release));
    assert!(!machine.state().supervisor().join("state.json").exists(), "looking started something");

    let context = machine.context(1);
    done(platform.start(&release, &context).await);
    let summary = done(platform.await_ready(&release, &context).await);
    assert!(summary.contains("ready after"), "{summary}");
    let state = platform.state().await.unwrap();
    assert_eq!(roles(&state, &release), [Role::Candidate]);
    assert_eq!(state.serving, None);
    let first = machine.instance_pid(&release, "candidate");
    done(platform.start(&release, &context).await);
    assert_eq!(machine.instance_pid(&release, "candidate"), first, "started twice");

    let socket = platform.private_socket(&release).await.unwrap().unwrap();
    assert!(socket.as_os_str().len() <= 107);
    std::os::unix::net::UnixStream::connect(socket).unwrap();
    done(platform.shift(&release, &context).await);
    assert_eq!(machine.answering().as_deref(), Some(release.as_str()));
    let state = platform.state().await.unwrap();
    assert_eq!((state.serving, state.previous), (Some(release.clone()), None));
    done(platform.shift(&release, &context).await);
    platform.down(1).await.unwrap();
}

#[tokio::test]
async fn release_gets_exactly_its_sockets_and_its_environment() {
    let machine = Machine::new();
    let platform = machine.platform(&[("LOG_LEVEL", "debug")]);
    let release = machine.release(1);
    let context = machine.context(1);
    done(platform.start(&release, &context).await);
    done(platform.await_ready(&release, &context).await);
    let pid = machine.instance_pid(&release, "candidate");
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
    let environment = String::from_utf8(environment).unwrap();
    let mut names: Vec<&str> =
        environment.split('\0').filter_map(|entry| entry.split_once('=')).map(|(name, _)| name).collect();
    names.sort_unstable();
    let expected = [
        "CRM_RELEASE",
        "DRAIN_SECONDS",
        "JWT_SECRET",
        "LISTEN_FDNAMES",
        "LISTEN_FDS",
        "LOG_LEVEL",
        "POSTGRES_DSN",
        "REQUEST_TIMEOUT_SECONDS",
    ];
    assert_eq!(names, expected);
    assert!(environment.contains("LISTEN_FDNAMES=public:private:control"));
    assert!(environment.contains(&format!("CRM_RELEASE={release}")));
    platform.down(1).await.unwrap();
}

#[tokio::test]
async fn release_that_exits_is_told_with_its_code_and_last_words() {
    let machine = Machine::new();
    let platform = machine.platform(&[("CRM_FAULT", "exit")]);
    let never = machine.platform(&[]);
    let release = machine.release(1);
    let context = machine.context(1);
    done(platform.start(&release, &context).await);
    // It is ready for a moment before it exits.
    let pid = machine.instance_pid(&release, "candidate");
    until("it exits", || !std::path::Path::new(&format!("/proc/{pid}")).exists());
    let failure = not_done(never.await_ready(&release, &context).await);
    assert_eq!(failure.class, FailureClass::ReleaseFailed);
    assert!(failure.message.contains("exited with code 1"), "{}", failure.message);
    assert!(failure.detail.iter().any(|line| line.contains("exiting on purpose")), "{:?}", failure.detail);
    assert!(failure.hint.unwrap().contains(".log"));
    // Nothing is left to supervise: the port is free again.
    until("the port is free", || port_holder(machine.address).is_none());
}

#[tokio::test]
async fn release_that_went_down_with_the_machine_is_not_to_blame() {
    let machine = Machine::new();
    let platform = machine.platform(&[]);
    let release = machine.release(1);
    let context = machine.context(1);
    done(platform.start(&release, &context).await);
    platform.down(1).await.unwrap();
    let failure = not_done(platform.await_ready(&release, &context).await);
    assert_eq!(failure.class, FailureClass::Failed, "it would be blocked");
    assert!(failure.message.contains("does not run"), "{}", failure.message);
    assert!(failure.hint.unwrap().contains("crmctl deploy local"));
}

#[tokio::test]
async fn release_with_a_broken_configuration_says_what_is_wrong() {
    let machine = Machine::new();
    let platform = machine.platform(&[("JWT_SECRET", "short")]);
    let release = machine.release(1);
    let context = machine.context(1);
    done(platform.start(&release, &context).await);
    let failure = not_done(platform.await_ready(&release, &context).await);
    assert_eq!(failure.class, FailureClass::ReleaseFailed);
    assert!(failure.message.contains("exited with code"), "{}", failure.message);
    assert!(failure.detail.iter().any(|line| line.contains("JWT_SECRET")), "{:?}", failure.detail);
    until("all is over", || machine.processes().is_empty());
}

#[tokio::test]
async fn release_that_is_never_ready_says_so_with_its_answer() {
    let machine = Machine::new();
    let platform = machine.platform(&[("CRM_FAULT", "never_ready")]);
    let release = machine.release(1);
    let context = machine.context(1);
    done(platform.start(&release, &context).await);
    let failure = not_done(platform.await_ready(&release, &context).await);
    assert_eq!(failure.class, FailureClass::ReleaseFailed);
    assert!(failure.message.contains("not ready in 10 s"), "{}", failure.message);
    assert!(failure.message.contains("503"), "{}", failure.message);
    assert!(failure.detail.iter().any(|line| line.contains("breaks on purpose")), "{:?}", failure.detail);
    assert!(failure.detail.len() <= 20);
    done(platform.stop(&release, &context).await);
    done(platform.stop(&release, &context).await);
    assert!(platform.state().await.unwrap().instances.is_empty());
    until("the port is free", || port_holder(machine.address).is_none());
}

#[tokio::test]
async fn lower_token_is_refused_also_without_a_supervisor() {
    let machine = Machine::new();
    let platform = machine.platform(&[]);
    let release = machine.release(1);
    done(platform.start(&release, &machine.context(7)).await);
    for outcome in [
        platform.start(&release, &machine.context(6)).await,
        platform.shift(&release, &machine.context(6)).await,
        platform.stop(&release, &machine.context(6)).await,
        platform.restore(None, &release, &machine.context(6)).await,
        platform.retire(&[], &machine.context(6)).await,
    ] {
        assert_eq!(not_done(outcome).class, FailureClass::LeaseLost);
    }
    assert!(platform.down(6).await.is_err());
    platform.down(8).await.unwrap();
    assert_eq!(not_done(platform.start(&release, &machine.context(7)).await).class, FailureClass::LeaseLost);
    assert_eq!(not_done(platform.retire(&[], &machine.context(7)).await).class, FailureClass::LeaseLost);
    assert_eq!(platform.state().await.unwrap().token, 8);
    assert!(machine.state().release(&release).exists());
    done(platform.retire(&[], &machine.context(8)).await);
    assert!(!machine.state().release(&release).exists());
    until("all is over", || machine.processes().is_empty());
}

#[tokio::test]
async fn taken_port_names_its_holder_and_changes_nothing() {
    let machine = Machine::new();
    let platform = machine.platform(&[]);
    let release = machine.release(1);
    let held = TcpListener::bind(machine.address).unwrap();
    let failure = not_done(platform.start(&release, &machine.context(1)).await);
    assert_eq!(failure.class, FailureClass::Refused);
    let own = format!("process {}", std::process::id());
    assert!(failure.message.contains(&own), "{}", failure.message);
    assert!(failure.message.contains(&machine.address.to_string()), "{}", failure.message);
    assert!(failure.hint.unwrap().contains("--port"));
    drop(held);
    done(platform.start(&release, &machine.context(1)).await);
    platform.down(1).await.unwrap();
}

#[tokio::test]
async fn release_without_a_program_is_refused() {
    let machine = Machine::new();
    let platform = machine.platform(&[]);
    let release = machine.release(1);
    std::fs::remove_file(machine.state().release(&release).join("crm-server")).unwrap();
    let failure = not_done(platform.start(&release, &machine.context(1)).await);
    assert!(failure.message.contains("crm-server"), "{}", failure.message);
    assert!(platform.state().await.unwrap().present.is_empty());
    until("all is over", || machine.processes().is_empty());
}

#[tokio::test]
async fn killed_candidate_is_not_started_again() {
    let machine = Machine::new();
    let platform = machine.platform(&[]);
    let (serving, candidate) = (machine.release(1), machine.release(2));
    machine.deploy(&platform, &serving, 1).await;
    let context = machine.context(1);
    done(platform.start(&candidate, &context).await);
    kill(machine.instance_pid(&candidate, "candidate"));
    let failure = not_done(platform.await_ready(&candidate, &context).await);
    assert!(failure.message.contains("signal 9"), "{}", failure.message);
    let failure = not_done(platform.shift(&candidate, &context).await);
    assert!(failure.message.contains("does not run"), "{}", failure.message);
    assert_eq!(machine.answering().as_deref(), Some(serving.as_str()));
    platform.down(1).await.unwrap();
}
