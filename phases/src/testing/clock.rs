//! Time that passes only when somebody waits for it.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::engine::clock::Clock;

/// A clock that a sleep moves on by its length, after giving way once.
#[derive(Debug, Default)]
pub struct FakeClock {
    elapsed: Mutex<Duration>,
}

impl FakeClock {
    /// Lets time pass.
    pub fn advance(&self, duration: Duration) {
        *self.elapsed.lock().unwrap_or_else(PoisonError::into_inner) += duration;
    }
}

#[async_trait]
impl Clock for FakeClock {
    fn now(&self) -> DateTime<Utc> {
        let start = DateTime::from_timestamp(1_795_521_600, 0).expect("2026-11-24 is a time");
        start + self.elapsed()
    }

    fn elapsed(&self) -> Duration {
        *self.elapsed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn sleep(&self, duration: Duration) {
        GiveWay { done: false }.await;
        self.advance(duration);
    }
}

/// Pending once, so that whatever else is ready goes first.
struct GiveWay {
    done: bool,
}

impl Future for GiveWay {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.done {
            return Poll::Ready(());
        }
        self.done = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
