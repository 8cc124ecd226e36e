//! Passwords are checked beside the event loop, few at a time: each check fills a core and 19 MiB.

use tokio::sync::Semaphore;

use crate::error::ApiError;
use crate::password;

/// Lets as many checks run at once as there are cores.
#[derive(Debug)]
pub(crate) struct Passwords {
    places: Semaphore,
}

impl Passwords {
    pub(crate) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { places: Semaphore::new(cores) }
    }

    /// A place to check in; wait for it, then look at the throttle again.
    pub(crate) async fn place(&self) -> Place<'_> {
        Place { _permit: self.places.acquire().await.expect("the semaphore is never closed") }
    }
}

/// The right to check one password now.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    _permit: tokio::sync::SemaphorePermit<'a>,
}

impl Place<'_> {
    /// The hash of a password that was found good enough.
    ///
    /// # Errors
    /// 500 when the hashing itself broke.
    pub(crate) async fn hash(self, password: String) -> Result<String, ApiError> {
        let hashed = tokio::task::spawn_blocking(move || password::hash(&password)).await;
        let hashed = hashed.map_err(|error| error.to_string());
        hashed.and_then(|hash| hash.map_err(|error| error.to_string())).map_err(|error| {
            tracing::error!(error, "a password could not be hashed");
            ApiError::internal()
        })
    }

    /// Whether `password` belongs to `hash`. Without a hash the answer is no, after the same time.
    ///
    /// # Errors
    /// 500 when the check itself broke.
    pub(crate) async fn check(self, password: String, hash: Option<String>) -> Result<bool, ApiError> {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| password::UNKNOWN_ACCOUNT_HASH.to_owned());
        let checked = tokio::task::spawn_blocking(move || password::verify(&password, &hash)).await;
        checked.map(|matches| matches && known).map_err(|error| {
            tracing::error!(%error, "a password check broke");
            ApiError::internal()
        })
    }
}
