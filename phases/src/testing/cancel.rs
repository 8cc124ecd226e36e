//! A wish to stop that a test makes.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use async_trait::async_trait;

use crate::engine::cancel::Cancel;

/// Asked for once [`FakeCancel::request`] has been called.
#[derive(Debug, Default)]
pub struct FakeCancel {
    requested: AtomicBool,
}

impl FakeCancel {
    /// Asks for it.
    pub fn request(&self) {
        self.requested.store(true, Ordering::SeqCst);
    }
}

#[async_trait]
impl Cancel for FakeCancel {
    fn requested(&self) -> bool {
        self.requested.load(Ordering::SeqCst)
    }

    async fn wait(&self) {
        // The run loop polls again whenever its clock gives way, so no waker is needed.
        poll_fn(|_| if self.requested() { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}
