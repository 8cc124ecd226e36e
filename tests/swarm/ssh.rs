//! An engine behind a real sshd, and the ways in which the way there is closed.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crmctl::docker::{Engine, EngineAddress, EngineError};

use crate::harness::engine::engine;
use crate::harness::ssh::SshHost;

fn socket() -> PathBuf {
    match engine().address() {
        EngineAddress::Unix(socket) => socket.clone(),
        EngineAddress::Ssh(_) => panic!("the tests' engine is on this machine"),
    }
}

fn behind(address: &str, config: PathBuf) -> Engine {
    Engine::new(address.parse().unwrap()).with_ssh_config(config)
}

async fn name(engine: &Engine) -> Result<Option<String>, EngineError> {
    engine.ask("tell about itself", |client| async move { Ok(client.info().await?.id) }).await
}

#[tokio::test]
async fn the_engine_behind_ssh_is_the_same_engine() {
    let host = SshHost::start();
    let far = behind(&host.address(&socket()), host.config());
    let (one, other) = (name(&far).await.unwrap(), name(&engine()).await.unwrap());
    assert!(one.is_some());
    assert_eq!(one, other);
    // Many questions at once go over the one connection.
    let asked = futures_util::future::join_all((0..30).map(|_| name(&far))).await;
    assert!(asked.into_iter().all(|answer| answer.unwrap() == one));
}

#[tokio::test]
async fn a_key_that_is_not_let_in_is_told() {
    let host = SshHost::start();
    let error = name(&behind(&host.address(&socket()), host.config_with("stranger"))).await.unwrap_err();
    assert!(error.to_string().contains("Permission denied"), "{error}");
    assert!(error.hint().contains("ssh-copy-id"), "{}", error.hint());
}

#[tokio::test]
async fn a_host_with_another_key_is_not_talked_to() {
    let host = SshHost::start();
    host.knows("stranger.pub");
    let error = name(&behind(&host.address(&socket()), host.config())).await.unwrap_err();
    assert!(error.hint().contains("ssh-keygen -R"), "{error}: {}", error.hint());
    host.knows_nobody();
    let error = name(&behind(&host.address(&socket()), host.config())).await.unwrap_err();
    assert!(error.hint().contains("compare its key"), "{error}: {}", error.hint());
}

#[tokio::test]
async fn a_port_without_sshd_is_told_with_the_address() {
    let mut host = SshHost::start();
    let (address, socket) = (host.address(&socket()), socket());
    host.stop();
    let error = name(&behind(&address, host.config())).await.unwrap_err();
    assert!(error.hint().contains("port"), "{error}: {}", error.hint());
    assert!(error.to_string().contains(&socket.display().to_string()), "{error}");
}

#[tokio::test]
async fn a_socket_that_is_not_there_is_told() {
    let host = SshHost::start();
    let error = name(&behind(&host.address(&PathBuf::from("/nowhere/docker.sock")), host.config()))
        .await
        .unwrap_err();
    assert!(!matches!(error, EngineError::Ssh { .. }), "the connection stands: {error:?}");
    assert!(error.to_string().contains("/nowhere/docker.sock"), "{error}");
}

/// Nobody has to clean up after a crmctl that was killed.
#[tokio::test]
async fn no_connection_outlives_its_engine() {
    let host = SshHost::start();
    let far = behind(&host.address(&socket()), host.config());
    name(&far).await.unwrap();
    let forward = format!(":{}", socket().display());
    assert!(lives(host.port, &forward));
    drop(far);
    let begun = Instant::now();
    while lives(host.port, &forward) {
        assert!(begun.elapsed() < Duration::from_secs(20), "ssh goes on running");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A network that was gone for a while is no reason to begin anew.
#[tokio::test]
async fn a_broken_connection_is_made_anew() {
    let host = SshHost::start();
    let far = behind(&host.address(&socket()), host.config());
    let forward = format!(":{}", socket().display());
    let before = name(&far).await.unwrap();
    let ssh = connection(host.port, &forward).unwrap();
    let mut kill = std::process::Command::new("kill");
    assert!(kill.args(["-9", &ssh.to_string()]).status().unwrap().success());
    // What is asked while it breaks may fail; what is asked then does not.
    let begun = Instant::now();
    let after = loop {
        match name(&far).await {
            Ok(after) => break after,
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(20), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(after, before);
    assert_ne!(connection(host.port, &forward), Some(ssh));
}

/// Is there an `ssh` to this port with this forward?
fn lives(port: u16, forward: &str) -> bool {
    connection(port, forward).is_some()
}

/// Number of the `ssh` to this port with this forward.
fn connection(port: u16, forward: &str) -> Option<u32> {
    let numbers = std::fs::read_dir("/proc").unwrap().flatten();
    let mut numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    numbers.find(|number| {
        let command = std::fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).into_owned();
        command.starts_with("ssh\0") && command.contains(&format!("\0{port}\0")) && command.contains(forward)
    })
}
