//! The door through which an operator asks a run to stop. Who asks (a signal, a test) stays outside.

use async_trait::async_trait;

/// A wish to stop. The first one stops the run at the next safe point and unwinds it; leaving at once on a
/// second one is the caller's business, since the journal makes that safe.
#[async_trait]
pub trait Cancel: Send + Sync {
    /// It has been asked for.
    fn requested(&self) -> bool;

    /// Returns when it is asked for, and never before.
    async fn wait(&self);
}

/// Nobody ever asks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Never;

#[async_trait]
impl Cancel for Never {
    fn requested(&self) -> bool {
        false
    }

    async fn wait(&self) {
        std::future::pending().await
    }
}
