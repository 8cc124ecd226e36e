//! Accept loops. A failed accept never ends one: the socket is the one thing that must stay.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixListener};

use super::Shared;
use super::connection::drive;
use super::scope::Scope;
use crate::extract::PeerAddress;
use crate::lifecycle::Stage;

/// Pause after the system could not give a connection (out of file descriptors).
const PAUSE: Duration = Duration::from_millis(100);

/// Serves the public socket from the moment the server serves; once it drains, for `stay` longer.
pub(super) async fn public(listener: TcpListener, shared: Shared, scope: Scope, stay: Duration) {
    shared.lifecycle.reached(Stage::Serving).await;
    let end = async {
        shared.lifecycle.reached(Stage::Draining).await;
        tokio::time::sleep(stay).await;
    };
    tokio::select! {
        biased;
        () = end => {}
        () = accept(&listener, &shared, &scope) => {}
    }
    if !stay.is_zero() {
        // Nobody else takes what is still in the queue.
        sweep(listener, &shared, &scope);
    }
}

async fn accept(listener: &TcpListener, shared: &Shared, scope: &Scope) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => greet(stream, peer.ip(), shared, scope),
            Err(error) => refused(&error).await,
        }
    }
}

fn greet(stream: TcpStream, peer: IpAddr, shared: &Shared, scope: &Scope) {
    // Answers are small; waiting to fill a packet would only add latency.
    let _ = stream.set_nodelay(true);
    scope.spawn(drive(stream, PeerAddress(peer), shared.clone(), scope.clone()));
}

fn sweep(listener: TcpListener, shared: &Shared, scope: &Scope) {
    let Ok(listener) = listener.into_std() else { return };
    while let Ok((stream, peer)) = listener.accept() {
        let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
        if let Ok(stream) = stream {
            greet(stream, peer.ip(), shared, scope);
        }
    }
}

/// Serves the private socket, in every stage.
pub(super) async fn private(listener: UnixListener, shared: Shared, scope: Scope) {
    let here = PeerAddress(IpAddr::V4(Ipv4Addr::LOCALHOST));
    loop {
        match listener.accept().await {
            Ok((stream, _)) => scope.spawn(drive(stream, here, shared.clone(), scope.clone())),
            Err(error) => refused(&error).await,
        }
    }
}

async fn refused(error: &io::Error) {
    // The client left before it was greeted: its own affair.
    if error.kind() != io::ErrorKind::ConnectionAborted {
        tracing::warn!(%error, "a connection could not be accepted");
        tokio::time::sleep(PAUSE).await;
    }
}
