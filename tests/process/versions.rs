//! Supervisors of other versions: an older one hands over while clients ask, a newer one is left alone.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use phases::engine::failure::FailureClass;
use phases::engine::platform::{Platform, Role};

use super::load::Load;
use super::machine::{Machine, done, kill, not_done, roles, until};

/// Replaces the supervisor by one that speaks another version of the protocol.
fn of_version(machine: &Machine, version: &str) -> Child {
    let before = machine.supervisor_pid();
    kill(before);
    let log = std::fs::File::create(machine.path().join("other.log")).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_crmctl"))
        .args(["supervise", "local", "--address", &machine.address.to_string(), "--state-root"])
        .arg(machine.state().root())
        .env("CRMCTL_TEST_PROTOCOL", version)
        .stderr(Stdio::from(log))
        .spawn()
        .unwrap();
    let own = i32::try_from(child.id()).unwrap();
    until("the other one has taken over", || machine.supervisor_pid() == own);
    let socket = machine.state().sockets().unwrap().supervisor();
    until("it listens", || std::os::unix::net::UnixStream::connect(&socket).is_ok());
    child
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn older_supervisor_is_replaced_under_load_and_its_releases_are_untouched() {
    let machine = Machine::new();
    let platform = machine.platform(&[]);
    let (serving, candidate) = (machine.release(1), machine.release(2));
    machine.deploy(&platform, &serving, 1).await;
    done(platform.start(&candidate, &machine.context(1)).await);
    let pids = [machine.instance_pid(&serving, "serving"), machine.instance_pid(&candidate, "candidate")];
    let load = Load::start_gets(machine.address, 8, Duration::from_millis(10));
    for token in 2..5 {
        let mut older = of_version(&machine, "1");
        load.meets(&serving, 50);
        let state = platform.state().await.unwrap();
        assert_eq!(roles(&state, &serving), [Role::Serving], "looking needs no common version");
        assert!(older.try_wait().unwrap().is_none(), "looking ended it");
        done(platform.start(&candidate, &machine.context(token)).await);
        assert_eq!(older.wait().unwrap().code(), Some(0), "it was not asked politely");
        let now = [machine.instance_pid(&serving, "serving"), machine.instance_pid(&candidate, "candidate")];
        assert_eq!(now, pids, "a release was started again");
        load.meets(&serving, 50);
    }
    done(platform.shift(&candidate, &machine.context(5)).await);
    load.meets(&candidate, 50);
    let seen = load.stop();
    assert!(seen.failures.is_empty(), "{:#?}", seen.failures);
    platform.down(5).await.unwrap();
}

#[tokio::test]
async fn newer_supervisor_is_left_alone_and_the_way_out_is_named() {
    let machine = Machine::new();
    let platform = machine.platform(&[]);
    let release = machine.release(1);
    machine.deploy(&platform, &release, 1).await;
    let mut newer = of_version(&machine, "99");
    let failure = not_done(platform.start(&machine.release(2), &machine.context(2)).await);
    assert_eq!(failure.class, FailureClass::Refused);
    assert!(failure.message.contains("speaks version 99"), "{}", failure.message);
    assert!(failure.hint.unwrap().contains("newer"));
    assert!(newer.try_wait().unwrap().is_none(), "it was ended");
    assert_eq!(machine.answering().as_deref(), Some(release.as_str()));
    newer.kill().unwrap();
    newer.wait().unwrap();
    platform.down(2).await.unwrap();
}
