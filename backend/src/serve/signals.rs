//! TERM and INT: the first begins the drain, the second ends the process at once.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::lifecycle::{Lifecycle, Stage};

/// The signals this server listens to.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on the signals come here. To be called before a socket listens: a signal that finds no
    /// handler ends the process with whatever waits in the queue.
    ///
    /// Must be called inside a runtime.
    ///
    /// # Errors
    /// When the system gives no handler.
    pub fn listen() -> io::Result<Self> {
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
