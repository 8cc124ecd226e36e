//! What one request costs, gathered while it runs: the time spent in the database. Knows no query.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

tokio::task_local! {
    static CURRENT: Arc<Meter>;
}

/// The running sum of one request.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    database_ns: AtomicU64,
}

impl Meter {
    /// The meter of the request this task works for, when it works for one.
    pub(crate) fn current() -> Option<Arc<Self>> {
        CURRENT.try_with(Arc::clone).ok()
    }

    /// Runs `work` with `self` as the current meter.
    pub(crate) async fn measure<F: Future>(self: Arc<Self>, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }

    /// Adds time spent in the database.
    pub(crate) fn add_database(&self, spent: Duration) {
        let nanoseconds = u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX);
        self.database_ns.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// The time spent in the database so far.
    pub(crate) fn database(&self) -> Duration {
        Duration::from_nanos(self.database_ns.load(Ordering::Relaxed))
    }
}
