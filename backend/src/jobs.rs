//! What the server does by itself, on whichever replica claims it first. One file per job; a new job is
//! one file and one line in [`all`]. When and where it runs is `engine`'s business.

mod cleanup;
pub mod engine;
pub(crate) mod scheduler;

use std::sync::Arc;

use engine::Job;

/// Every job of this release.
#[must_use]
pub fn all() -> Vec<Arc<dyn Job>> {
    vec![Arc::new(cleanup::Cleanup)]
}
