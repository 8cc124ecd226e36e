//! A release keeps the configuration it was first started with, and is given the time that it was promised.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use phases::engine::failure::FailureClass;
use phases::engine::platform::Platform;

use super::machine::{Machine, done, not_done, until};

fn environment_of(pid: i32) -> String {
    String::from_utf8(std::fs::read(format!("/proc/{pid}/environ")).unwrap()).unwrap()
}

#[tokio::test]
async fn release_gone_back_to_runs_with_its_own_configuration_and_not_with_todays() {
    let machine = Machine::new();
    let (good, bad) = (machine.release(1), machine.release(2));
    let before = machine.platform(&[("LOG_LEVEL", "info")]);
    machine.deploy(&before, &good, 1).await;
    let first = machine.instance_pid(&good, "serving");
    let today = machine.platform(&[("LOG_LEVEL", "warn"), ("BODY_LIMIT_BYTES", "2048")]);
    machine.deploy(&today, &bad, 2).await;
    assert!(environment_of(machine.instance_pid(&bad, "serving")).contains("LOG_LEVEL=warn"));
    until("the good one is gone", || !std::path::Path::new(&format!("/proc/{first}")).exists());
    // Whatever has become of the files meanwhile.
    let broken = machine.platform_misconfigured();
    done(broken.restore(Some(&good), &bad, &machine.context(3)).await);
    let environment = environment_of(machine.instance_pid(&good, "serving"));
    assert!(environment.contains("LOG_LEVEL=info\0"), "it runs with today's configuration");
    assert!(!environment.contains("BODY_LIMIT_BYTES"), "it runs with today's configuration");

    let failure = not_done(broken.start(&machine.release(3), &machine.context(3)).await);
    assert_eq!(failure.class, FailureClass::Failed);
    assert!(failure.message.contains("mode 0644"), "{}", failure.message);
    until("the bad one is struck off", || !machine.notes()["instances"].to_string().contains(bad.as_str()));
    done(before.retire(std::slice::from_ref(&good), &machine.context(3)).await);
    assert!(!machine.state().release(&bad).exists(), "its secrets are still there");
    before.down(3).await.unwrap();
}

/// A request that takes longer than the drain, sent over a connection that `release` has accepted.
fn slow_request(machine: &Machine, release: &str) -> TcpStream {
    let mut stream = TcpStream::connect(machine.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(b"GET /health/live HTTP/1.1\r\nhost: crm\r\n\r\n").unwrap();
    let mut answer = [0; 4096];
    let length = stream.read(&mut answer).unwrap();
    assert!(String::from_utf8_lossy(&answer[..length]).contains(release));
    stream.write_all(b"GET /openapi.json HTTP/1.1\r\nhost: crm\r\n\r\n").unwrap();
    stream
}

#[track_caller]
fn is_answered(mut stream: TcpStream, release: &str) {
    let mut answer = vec![0; 1024];
    let length = stream.read(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(release), "{answer}");
}

/// Slower than any margin beyond the drain.
const SLOW: [(&str, &str); 2] = [("CRM_FAULT", "slow_ms=13000"), ("REQUEST_TIMEOUT_SECONDS", "30")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_request_that_the_server_may_finish_survives_a_switch() {
    let machine = Machine::new();
    let platform = machine.platform(&SLOW);
    let (old, new) = (machine.release(1), machine.release(2));
    machine.deploy(&platform, &old, 1).await;
    let request = slow_request(&machine, old.as_str());
    machine.deploy(&machine.platform(&[]), &new, 2).await;
    is_answered(request, old.as_str());
    platform.down(2).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_request_that_the_server_may_finish_survives_going_down() {
    let machine = Machine::new();
    let platform = machine.platform(&SLOW);
    let release = machine.release(1);
    machine.deploy(&platform, &release, 1).await;
    let request = slow_request(&machine, release.as_str());
    machine.platform(&[]).down(2).await.unwrap();
    is_answered(request, release.as_str());
}
