//! A stream whose incoming bytes are watched, and what they tell about the conversation: how many
//! requests have begun, how many are answered. Reads and writes pass unchanged.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

use super::framing::Framing;

/// What is known about one connection.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    framing: Framing,
    answered: u64,
}

impl Conversation {
    fn with<T>(&self, look: impl FnOnce(&mut Inner) -> T) -> T {
        look(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes that one more request has its answer; whether the client has sent more already.
    pub(super) fn answered(&self) -> bool {
        let more = self.with(|inner| {
            inner.answered += 1;
            inner.framing.begun() > inner.answered
        });
        self.changed.notify_one();
        more
    }

    /// Whether nothing was ever asked.
    pub(super) fn is_fresh(&self) -> bool {
        self.with(|inner| inner.framing.begun() == 0)
    }

    /// Whether every request that has begun is answered.
    pub(super) fn is_quiet(&self) -> bool {
        self.with(|inner| inner.framing.begun() <= inner.answered)
    }

    /// Whether it is HTTP/2.
    pub(super) fn is_h2(&self) -> bool {
        self.with(|inner| inner.framing.is_h2())
    }

    /// Waits for the next change.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn heard(&self, bytes: &[u8]) {
        self.with(|inner| inner.framing.feed(bytes));
        self.changed.notify_one();
    }
}

/// A stream that tells its conversation what comes in.
#[derive(Debug)]
pub(super) struct Observed<S> {
    stream: S,
    conversation: Arc<Conversation>,
}

impl<S> Observed<S> {
    pub(super) fn new(stream: S, conversation: Arc<Conversation>) -> Self {
        Self { stream, conversation }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Observed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if polled.is_ready() && buffer.filled().len() > before {
            self.conversation.heard(&buffer.filled()[before..]);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Observed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
