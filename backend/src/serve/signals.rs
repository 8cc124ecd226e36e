//! TERM and INT: the first begins the drain, the second ends the process at once.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::lifecycle::{Lifecycle, Stage};

/// The signals this server listens to.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on the signals come here.
    ///
    /// # Errors
    /// When the system gives no handler.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Drains at the first signal; returns at the second.
    pub(super) async fn until_second(mut self, lifecycle: Lifecycle) {
        self.next().await;
        tracing::info!("a signal asks for the end");
        lifecycle.advance(Stage::Draining);
        self.next().await;
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
