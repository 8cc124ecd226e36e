//! Where sockets come from.

use std::time::Duration;

use super::client::{get, tcp, unix};
use super::process::{Stage, hand_over, until};

#[test]
fn in_standby_the_public_socket_waits_and_nothing_is_lost() {
    let stage = Stage::new(None);
    let release = stage.release("aaa", 1);
    assert_eq!(unix(&release.private).ask(&get("/health/live")).unwrap().status, 200);
    let mut early = tcp(stage.address());
    early.send(&get("/health/live")).unwrap();
    early.set_patience(Duration::from_millis(300));
    assert!(early.reply().is_err(), "nobody answers before `serve`");
    early.set_patience(Duration::from_secs(10));
    release.command("serve");
    assert_eq!(early.reply().unwrap().release(), "aaa");
}

#[test]
fn one_plain_descriptor_is_served_at_once() {
    let stage = Stage::new(None);
    let mut command = stage.command("aaa", 1);
    command.arg("serve").env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", "crm.socket");
    hand_over(&mut command, &[&stage.public]);
    let mut release = stage.plain("aaa", command);
    assert_eq!(tcp(stage.address()).ask(&get("/health/ready")).unwrap().status, 200);
    release.terminate();
    assert!(release.ending().success());
}

#[test]
fn without_descriptors_the_address_is_bound() {
    let stage = Stage::new(None);
    let address = stage.address();
    let mut command = stage.command("aaa", 0);
    command.arg("serve").env("BIND", address.to_string());
    let mut taken = stage.plain("taken", command);
    assert!(!taken.ending().success(), "the test holds the port");
    assert!(taken.log().contains(&address.to_string()) && taken.log().contains("hint: "), "{}", taken.log());
}

#[test]
fn descriptors_that_are_not_what_they_are_called_are_refused() {
    for (count, names) in
        [("2", "public:private"), ("1", "a:b"), ("2", "public:public"), ("2", "public:other")]
    {
        let stage = Stage::new(None);
        let mut command = stage.command("aaa", 0);
        command.arg("serve").env("LISTEN_FDS", count).env("LISTEN_FDNAMES", names);
        // Two listening TCP sockets, where one should be a unix socket.
        let second = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        hand_over(&mut command, &[&stage.public, &second]);
        let mut release = stage.plain("aaa", command);
        assert!(!release.ending().success(), "{names}");
        assert!(release.log().contains("handed over"), "{names}: {}", release.log());
    }
    let stage = Stage::new(None);
    let mut command = stage.command("aaa", 0);
    command.arg("serve").env("LISTEN_FDS", "1");
    let mut release = stage.plain("missing", command);
    assert!(!release.ending().success(), "descriptor 3 is not open");
}

#[test]
fn no_new_privileges_can_be_gained() {
    let stage = Stage::new(None);
    let release = stage.release("aaa", 1);
    let live = unix(&release.private).ask(&get("/health/live")).unwrap().json();
    assert_eq!(live["no_new_privs"], true);
    let status = std::fs::read_to_string(format!("/proc/{}/status", release.pid())).unwrap();
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    until("a log line", || release.log().lines().next().map(|line| line.starts_with('{')));
}
