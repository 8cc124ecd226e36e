//! The drain: what is under way ends well, what is idle is left alone until the end.

use std::time::{Duration, Instant};

use super::client::{get, post, tcp};
use super::process::{Release, Stage, until};

const BODY: &str = r#"{"refresh_token":"of nobody"}"#;

/// A server that has its own address, as in a container.
fn bound(drain: u32) -> (Stage, Release, std::net::SocketAddr) {
    let stage = Stage::new(None);
    // A port that was free a moment ago.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = stage.command("aaa", drain);
    command.arg("serve").env("BIND", address.to_string());
    let release = stage.plain("aaa", command);
    until("it listens", || super::client::try_tcp(address).ok());
    (stage, release, address)
}

fn serving(drain: u32) -> (Stage, Release) {
    let stage = Stage::new(None);
    let release = stage.release("aaa", drain);
    release.command("serve");
    (stage, release)
}

#[test]
fn alone_on_its_address_it_answers_new_connections_through_the_drain() {
    let (_stage, mut release, address) = bound(2);
    let start = Instant::now();
    release.terminate();
    until("the drain begins", || {
        let reply = tcp(address).ask(&get("/health/ready")).unwrap();
        (reply.status == 503 && reply.says_close()).then_some(())
    });
    let reply = tcp(address).ask(&get("/health/live")).unwrap();
    assert_eq!((reply.status, reply.says_close()), (200, true));
    assert!(release.ending().success());
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(1_900), "{took:?}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (_stage, mut release, _) = bound(60);
    release.terminate();
    until("the drain begins", || release.log().contains("draining").then_some(()));
    release.terminate();
    // `ending` waits for a third of the drain.
    assert!(!release.ending().success());
}

#[test]
fn a_half_sent_body_is_waited_for_and_answered() {
    let (stage, mut release) = serving(1);
    let (head, body) = post("/auth/refresh", BODY);
    let mut connection = tcp(stage.address());
    let (first, second) = body.split_at(10);
    connection.send(&head).unwrap();
    connection.send(first).unwrap();
    // An answer on another connection proves that the server has seen what came before.
    let mut idle = tcp(stage.address());
    idle.ask(&get("/health/live")).unwrap();
    release.command("drain");
    // An idle connection is closed when the whole drain is over.
    assert!(idle.is_closed());
    assert!(release.is_running(), "{}", release.log());
    connection.send(second).unwrap();
    let reply = connection.reply().unwrap();
    // There is no database here: an honest answer is one that says so.
    assert_eq!((reply.status, reply.says_close()), (503, true));
    assert!(connection.is_closed());
    assert!(release.ending().success());
}

#[test]
fn a_half_sent_head_is_waited_for_and_answered() {
    let (stage, mut release) = serving(1);
    let mut connection = tcp(stage.address());
    let request = get("/health/live");
    connection.send(&request[..20]).unwrap();
    let mut idle = tcp(stage.address());
    idle.ask(&get("/health/live")).unwrap();
    release.command("drain");
    // An idle connection is closed when the whole drain is over.
    assert!(idle.is_closed());
    connection.send(&request[20..]).unwrap();
    let reply = connection.reply().unwrap();
    assert_eq!((reply.status, reply.says_close()), (200, true));
    assert!(release.ending().success());
}

#[test]
fn requests_sent_ahead_are_all_answered_and_only_the_last_says_close() {
    let (stage, mut release) = serving(3);
    let mut connection = tcp(stage.address());
    // Without a database the first takes as long as a connection is waited for.
    let (head, body) = post("/auth/refresh", BODY);
    connection.send(&format!("{head}{body}{}{}", get("/health/live"), get("/health/ready"))).unwrap();
    tcp(stage.address()).ask(&get("/health/live")).unwrap();
    release.command("drain");
    let replies = [(); 3].map(|()| connection.reply().unwrap());
    assert_eq!(replies.each_ref().map(|reply| reply.status), [503, 200, 503]);
    assert_eq!(replies.each_ref().map(super::client::Reply::says_close), [false, false, true]);
    assert!(connection.is_closed());
    assert!(release.ending().success());
}

#[test]
fn an_idle_connection_is_answered_during_the_drain_and_closed_after_it() {
    let (stage, mut release) = serving(2);
    let (mut used, mut idle) = (tcp(stage.address()), tcp(stage.address()));
    for connection in [&mut used, &mut idle] {
        assert!(!connection.ask(&get("/health/live")).unwrap().says_close());
    }
    let start = Instant::now();
    release.command("drain");
    let reply = used.ask(&get("/health/live")).unwrap();
    assert_eq!((reply.status, reply.says_close()), (200, true));
    assert!(used.is_closed());
    assert!(idle.is_closed());
    assert!(start.elapsed() >= Duration::from_millis(1_900), "closed after {:?}", start.elapsed());
    assert!(release.ending().success());
}

#[test]
fn when_everybody_has_left_it_does_not_wait() {
    let (stage, mut release) = serving(60);
    tcp(stage.address()).ask(&get("/health/live")).unwrap();
    release.command("drain");
    // `ending` waits for a third of the drain.
    assert!(release.ending().success());
}
