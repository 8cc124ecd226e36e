//! The control socket.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde_json::json;

use super::client::{get, tcp, unix};
use super::process::{Release, Stage, until};

#[test]
fn the_stages_are_told_and_served_as_asked() {
    let stage = Stage::new(None);
    let mut release = stage.release("aaa", 1);
    let status = release.command("status");
    let expected = json!({"v": 1, "ok": true, "state": "standby", "release": "aaa", "pid": release.pid(),
                          "version": env!("CARGO_PKG_VERSION")});
    assert_eq!(status, expected);
    assert_eq!(release.command("serve")["state"], "serving");
    assert_eq!(release.command("serve")["state"], "serving", "serving twice is once");
    let kept = tcp(stage.address());
    assert_eq!(release.command("drain")["state"], "draining");
    assert_eq!(release.command("drain")["state"], "draining", "draining twice is once");
    let refused = release.say(r#"{"v":1,"cmd":"serve"}"#);
    assert_eq!((refused["ok"].as_bool(), refused["error"].is_string()), (Some(false), true));
    drop(kept);
    assert!(release.ending().success());
}

#[test]
fn what_is_not_understood_is_refused_and_changes_nothing() {
    let stage = Stage::new(None);
    let release = stage.release("aaa", 1);
    for line in [
        "",
        "nonsense",
        r#"{"v":2,"cmd":"status"}"#,
        r#"{"v":1,"cmd":"explode"}"#,
        r#"{"v":1,"cmd":"status","force":true}"#,
        r#"{"cmd":"status"}"#,
    ] {
        let answer = release.say(line);
        assert_eq!((answer["v"].as_u64(), answer["ok"].as_bool()), (Some(1), Some(false)), "{line}");
        assert!(!answer["error"].as_str().unwrap().is_empty(), "{line}");
    }
    assert_eq!(release.command("status")["state"], "standby");
}

#[test]
fn draining_in_standby_ends_without_ever_serving() {
    let stage = Stage::new(None);
    let mut release = stage.release("aaa", 5);
    release.command("drain");
    assert!(release.ending().success());
}

/// The descriptor that comes with the answer to `give`.
fn give(release: &Release) -> OwnedFd {
    use std::io::Write;
    let mut stream = UnixStream::connect(&release.control).unwrap();
    stream.write_all(b"{\"v\":1,\"cmd\":\"give\"}\n").unwrap();
    let mut line = [0; 1024];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received =
        recvmsg(&stream, &mut [IoSliceMut::new(&mut line)], &mut ancillary, RecvFlags::CMSG_CLOEXEC).unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&line[..received.bytes]).unwrap();
    assert_eq!(answer["ok"], true, "{answer}");
    let mut fds: Vec<OwnedFd> = ancillary
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => Some(fds),
            _ => None,
        })
        .flatten()
        .collect();
    assert_eq!(fds.len(), 1);
    fds.pop().unwrap()
}

#[test]
fn a_lost_supervisor_gets_the_socket_back_from_the_living_release() {
    let stage = Stage::new(None);
    let address = stage.address();
    let old = stage.release("old", 1);
    old.command("serve");
    for _ in 0..2 {
        let given = TcpListener::from(give(&old));
        assert_eq!(given.local_addr().unwrap(), address);
    }
    let given = give(&old);
    let mut new = stage.release_on(&given, "new", stage.command("new", 1));
    new.command("serve");
    old.command("drain");
    let seen = until("an answer of the new release", || {
        let reply = tcp(address).ask(&get("/health/live")).unwrap();
        (reply.release() == "new").then_some(reply)
    });
    assert_eq!(seen.status, 200);
    assert!(new.is_running());
}

#[test]
fn the_private_socket_answers_in_every_stage() {
    let stage = Stage::new(None);
    let mut release = stage.release("aaa", 2);
    let ready = || unix(&release.private).ask(&get("/health/ready")).unwrap();
    assert_eq!((ready().status, ready().json()["state"].as_str()), (200, Some("standby")));
    release.command("serve");
    assert_eq!((ready().status, ready().json()["state"].as_str()), (200, Some("serving")));
    let kept = tcp(stage.address());
    until("the connection is taken", || release.log().contains("serving").then_some(()));
    release.command("drain");
    let draining = ready();
    assert_eq!((draining.status, draining.json()["state"].as_str()), (503, Some("draining")));
    assert!(!draining.says_close(), "the supervisor may keep its connection");
    drop(kept);
    release.ending();
}
