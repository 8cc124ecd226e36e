//! Engines that are not there, say nothing or refuse; the real one is asked in the end-to-end tests.

use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use super::*;

fn engine(socket: &Path) -> Engine {
    Engine::new(EngineAddress::Unix(socket.to_owned()))
}

async fn version(engine: &Engine) -> Result<(), EngineError> {
    engine.ask("tell its version", |client| async move { client.version().await.map(drop) }).await
}

/// Answers every request with this, on every connection.
fn answering(socket: &Path, status: &str, body: &str) {
    let listener = UnixListener::bind(socket).unwrap();
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut asked = [0; 4096];
                let _ = stream.read(&mut asked).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_to_be_started() {
    let directory = tempfile::tempdir().unwrap();
    let error = version(&engine(&directory.path().join("docker.sock"))).await.unwrap_err();
    assert!(matches!(error, EngineError::Unreachable { .. }), "{error:?}");
    assert!(error.is_certain());
    assert_eq!(error.hint(), "start it: `systemctl start docker`");
}

#[tokio::test]
async fn a_socket_nobody_listens_on_is_an_engine_to_be_started() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("docker.sock");
    drop(UnixListener::bind(&socket).unwrap());
    let error = version(&engine(&socket)).await.unwrap_err();
    assert!(matches!(error, EngineError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_silent_engine_is_given_up_and_nobody_knows_what_it_did() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("docker.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    tokio::spawn(async move {
        // It tells its version, and then nothing more.
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = [0; 4096];
            let length = stream.read(&mut asked).await.unwrap();
            if String::from_utf8_lossy(&asked[..length]).contains("/version") {
                let said = b"HTTP/1.1 200 OK\r\ncontent-length: 21\r\nconnection: close\r\n\r\n{\"ApiVersion\":\"1.41\"}";
                stream.write_all(said).await.unwrap();
            } else {
                open.push(stream);
            }
        }
    });
    let limit = Duration::from_millis(200);
    let engine = engine(&socket);
    let asked = engine.ask_within(limit, "list its nodes", |client| async move {
        client.list_nodes(None::<bollard::query_parameters::ListNodesOptions>).await
    });
    let error = asked.await.unwrap_err();
    assert!(matches!(error, EngineError::Silent { limit: given, .. } if given == limit), "{error:?}");
    assert!(!error.is_certain());
}

#[tokio::test]
async fn an_engine_that_is_no_swarm_is_told_how_to_become_one() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("docker.sock");
    let words =
        "This node is not a swarm manager. Use \\\"docker swarm init\\\" to connect this node to swarm.";
    answering(&socket, "503 Service Unavailable", &format!(r#"{{"message":"{words}"}}"#));
    let error = version(&engine(&socket)).await.unwrap_err();
    assert_eq!(error.hint(), "make it a swarm: `docker swarm init`");
}

#[tokio::test]
async fn a_stale_version_is_told_from_other_refusals() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("docker.sock");
    let message = r#"{"message":"rpc error: code = Unknown desc = update out of sequence"}"#;
    answering(&socket, "500 Internal Server Error", message);
    let error = version(&engine(&socket)).await.unwrap_err();
    assert!(matches!(error, EngineError::OutOfSequence { .. }), "{error:?}");
    assert!(error.is_certain());
}

#[tokio::test]
async fn a_failure_to_connect_is_not_remembered() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("docker.sock");
    let engine = engine(&socket);
    version(&engine).await.unwrap_err();
    answering(&socket, "200 OK", r#"{"ApiVersion":"1.41"}"#);
    version(&engine).await.unwrap();
}
