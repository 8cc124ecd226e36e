//! Taking an environment down, removing it, and reading its logs meanwhile.

use crmctl::platform::process::postgres::{PostgresState, PrivatePostgres};
use phases::engine::platform::Platform;
use secrecy::SecretString;

use super::machine::{DEADLINE, Machine, done, until};

#[tokio::test]
async fn down_stops_everything_and_purge_removes_it() {
    let machine = Machine::new();
    let platform = machine.platform(&[]);
    platform.down(1).await.unwrap();
    assert!(!machine.state().path().exists(), "`down` made something");

    let postgres = PrivatePostgres::new(machine.state());
    postgres.ensure_running(&SecretString::from("s")).await.unwrap();
    machine.deploy(&platform, &machine.release(1), 1).await;
    done(platform.start(&machine.release(2), &machine.context(1)).await);
    platform.down(2).await.unwrap();
    assert!(machine.processes().is_empty(), "{:?}", machine.processes());
    assert!(std::net::TcpStream::connect(machine.address).is_err());
    assert_eq!(postgres.state().unwrap(), PostgresState::Stopped);
    let state = platform.state().await.unwrap();
    assert!(state.serving.is_none() && state.instances.is_empty());
    assert_eq!(state.present.len(), 2);
    platform.down(2).await.unwrap();

    let sockets = machine.state().sockets().unwrap();
    platform.purge(3).await.unwrap();
    assert!(!machine.state().path().exists() && !sockets.path().exists());
    assert_eq!(std::fs::read_dir(machine.state().root()).unwrap().count(), 0, "a rest is left aside");
    platform.purge(3).await.unwrap();
}

#[tokio::test]
async fn down_ends_what_has_lost_its_sockets() {
    let machine = Machine::new();
    let platform = machine.platform(&[]);
    machine.deploy(&platform, &machine.release(1), 1).await;
    std::fs::remove_dir_all(machine.state().sockets().unwrap().path()).unwrap();
    platform.down(1).await.unwrap();
    assert!(machine.processes().is_empty(), "{:?}", machine.processes());
    machine.deploy(&platform, &machine.release(1), 2).await;
    assert!(machine.answering().is_some());
    platform.down(2).await.unwrap();
}

#[tokio::test]
async fn environment_comes_up_again_after_down() {
    let machine = Machine::new();
    let platform = machine.platform(&[]);
    let release = machine.release(1);
    for token in 1..3 {
        machine.deploy(&platform, &release, token).await;
        assert_eq!(machine.answering().as_deref(), Some(release.as_str()));
        platform.down(token).await.unwrap();
    }
}

#[tokio::test]
async fn log_of_all_releases_is_followed() {
    let machine = Machine::new();
    let platform = machine.platform(&[]);
    let (first, second) = (machine.release(1), machine.release(2));
    let mut log = platform.follow_log().unwrap();
    machine.deploy(&platform, &first, 1).await;
    machine.deploy(&platform, &second, 2).await;
    for release in [&first, &second] {
        let told = async {
            loop {
                let line = log.next_line().await.unwrap();
                if line.starts_with(&format!("{release} ")) && line.contains("started") {
                    return;
                }
            }
        };
        tokio::time::timeout(DEADLINE, told).await.unwrap();
    }
    until("the last lines show", || {
        platform.last_log_lines(50, |_| true).lines.iter().any(|line| line.starts_with(second.as_str()))
    });
    platform.down(2).await.unwrap();
}
