//! The connections of one socket: how many there are, and whether they should leave. Accepts nothing.

use tokio::sync::watch;
use tokio_util::task::TaskTracker;

/// Connections that come and go together.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    connections: TaskTracker,
    closing: watch::Sender<bool>,
    /// Whether answers say `Connection: close` while the server drains.
    says_close: bool,
}

impl Scope {
    /// For connections of clients: they are told to go elsewhere during the drain.
    pub(super) fn closing_politely() -> Self {
        Self::new(true)
    }

    /// For connections of the supervisor: they stay until the end.
    pub(super) fn quiet() -> Self {
        Self::new(false)
    }

    fn new(says_close: bool) -> Self {
        let connections = TaskTracker::new();
        connections.close();
        Self { connections, closing: watch::Sender::new(false), says_close }
    }

    pub(super) fn says_close(&self) -> bool {
        self.says_close
    }

    /// Runs one connection.
    pub(super) fn spawn(&self, connection: impl Future<Output = ()> + Send + 'static) {
        self.connections.spawn(connection);
    }

    /// Asks every connection to leave as soon as it is quiet.
    pub(super) fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Waits until they are asked to leave.
    pub(super) async fn closing(&self) {
        let mut closing = self.closing.subscribe();
        let _ = closing.wait_for(|closing| *closing).await;
    }

    /// Waits until there is none.
    pub(super) async fn empty(&self) {
        self.connections.wait().await;
    }
}
