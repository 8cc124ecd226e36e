//! A WebSocket's byte stream that can end with a close code of ours. The protocol's library closes without one, and a
//! client that is told `1012` knows that somebody else is there already. Writes its close frame only between two
//! frames, so that none is torn, and after the first: a client that was told nothing yet would wait for it. Then it goes on
//! reading until the client has closed: to what a client writes into a connection that is closed already, the system answers
//! with a reset, and a client that writes once more never reads the code. Whoever takes no bytes any more, or does not
//! close, is cut after [`PATIENCE`].

mod frames;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::connection::Open;
use frames::Frames;

/// How long a frame under way may take to be finished before the farewell, and a client to close after it.
const PATIENCE: Duration = Duration::from_secs(1);
/// A final close frame with a payload of two bytes.
const CLOSE: [u8; 2] = [0x88, 2];

/// The stream, with the connection that it keeps open.
pub(super) struct Farewell<S> {
    stream: S,
    open: Open,
    leaving: Pin<Box<WaitForCancellationFutureOwned>>,
    frames: Frames,
    state: State,
    /// Who reads, to be woken when a frame under way was finished.
    reader: Option<Waker>,
}

enum State {
    /// Nobody has to leave.
    Talking,
    /// A frame is under way.
    Waiting(Pin<Box<Sleep>>),
    /// So many bytes of the farewell are written.
    Leaving(usize),
    /// It is written; what the client still says is heard and forgotten.
    Listening(Pin<Box<Sleep>>),
    /// Nothing is said any more.
    Left,
}

impl<S> Farewell<S> {
    pub(super) fn new(stream: S, open: Open) -> Self {
        let leaving = Box::pin(open.connection().leaving().clone().cancelled_owned());
        Self { stream, open, leaving, frames: Frames::default(), state: State::Talking, reader: None }
    }

    fn farewell(&self) -> [u8; 4] {
        let [high, low] = self.open.connection().code().to_be_bytes();
        [CLOSE[0], CLOSE[1], high, low]
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Farewell<S> {
    /// Ready when the connection has been left, as far as it can be.
    fn poll_leave(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            match &mut self.state {
                State::Talking => {
                    ready!(self.leaving.as_mut().poll(context));
                    self.state = State::Waiting(Box::pin(sleep(PATIENCE)));
                }
                State::Waiting(_) if self.frames.may_end() => self.state = State::Leaving(0),
                State::Waiting(patience) => {
                    ready!(patience.as_mut().poll(context));
                    self.state = State::Left;
                }
                State::Leaving(written) => {
                    let (done, bytes) = (*written, self.farewell());
                    let rest = bytes.get(done..).unwrap_or_default();
                    if rest.is_empty() {
                        // Of us this was the last word.
                        let ended = ready!(Pin::new(&mut self.stream).poll_shutdown(context));
                        self.state = match ended {
                            Ok(()) => State::Listening(Box::pin(sleep(PATIENCE))),
                            Err(_) => State::Left,
                        };
                        continue;
                    }
                    match ready!(Pin::new(&mut self.stream).poll_write(context, rest)) {
                        Ok(more) if more > 0 => self.state = State::Leaving(done + more),
                        _ => self.state = State::Left,
                    }
                }
                State::Listening(patience) => {
                    let mut forgotten = [0; 512];
                    let mut forgotten = ReadBuf::new(&mut forgotten);
                    if patience.as_mut().poll(context).is_pending() {
                        let heard = ready!(Pin::new(&mut self.stream).poll_read(context, &mut forgotten));
                        if heard.is_ok() && !forgotten.filled().is_empty() {
                            continue;
                        }
                    }
                    self.state = State::Left;
                }
                State::Left => return Poll::Ready(()),
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Farewell<S> {
    /// The end of the stream once it was left.
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.poll_leave(context).is_ready() {
            return Poll::Ready(Ok(()));
        }
        this.reader = Some(context.waker().clone());
        Pin::new(&mut this.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Farewell<S> {
    /// What comes after the farewell is swallowed: nothing may follow a close frame.
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if matches!(this.state, State::Leaving(_) | State::Listening(_) | State::Left) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = ready!(Pin::new(&mut this.stream).poll_write(context, bytes))?;
        this.frames.follow(bytes.get(..written).unwrap_or_default());
        if matches!(this.state, State::Waiting(_)) && this.frames.may_end() {
            this.reader.take().into_iter().for_each(Waker::wake);
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::super::connection::{Connections, Goodbye};
    use super::frames::tests::frame;
    use super::*;

    #[tokio::test]
    async fn who_has_to_leave_says_so_between_two_frames() {
        let connections = Connections::default();
        let (connection, open) = connections.open();
        let (ours, mut theirs) = tokio::io::duplex(64);
        let (mut reading, mut writing) = tokio::io::split(Farewell::new(ours, open));
        let read = tokio::spawn(async move { reading.read(&mut [0; 8]).await.unwrap() });
        let bytes = frame(200);
        writing.write_all(&bytes[..50]).await.unwrap();
        connection.close(Goodbye::Restart);
        let client = tokio::spawn(async move {
            let mut heard = Vec::new();
            theirs.read_to_end(&mut heard).await.unwrap();
            heard
        });
        tokio::task::yield_now().await;
        writing.write_all(&bytes[50..]).await.unwrap();
        assert_eq!(read.await.unwrap(), 0, "the end of the stream");
        writing.write_all(&frame(3)).await.unwrap();
        drop(writing);
        let heard = client.await.unwrap();
        let (said, goodbye) = heard.split_at(bytes.len());
        assert_eq!((said, goodbye), (&bytes[..], &[0x88, 2, 0x03, 0xf4][..]), "nothing after it");
        connections.empty().await;
    }

    #[tokio::test]
    async fn who_comes_when_all_leave_is_greeted_first() {
        let connections = Connections::default();
        connections.close_all(Goodbye::Restart);
        let (_, open) = connections.open();
        let (ours, mut theirs) = tokio::io::duplex(64);
        let (mut reading, mut writing) = tokio::io::split(Farewell::new(ours, open));
        let read = tokio::spawn(async move { reading.read(&mut [0; 8]).await.unwrap() });
        sleep(PATIENCE / 10).await;
        writing.write_all(&frame(5)).await.unwrap();
        assert_eq!(read.await.unwrap(), 0, "the end of the stream");
        drop(writing);
        let mut heard = Vec::new();
        theirs.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, [frame(5), vec![0x88, 2, 0x03, 0xf4]].concat());
    }

    #[tokio::test]
    async fn who_takes_no_bytes_is_cut() {
        let connections = Connections::default();
        let (connection, open) = connections.open();
        let (ours, _theirs) = tokio::io::duplex(16);
        let (mut reading, mut writing) = tokio::io::split(Farewell::new(ours, open));
        let bytes = frame(100);
        let stuck = tokio::time::timeout(PATIENCE / 2, writing.write_all(&bytes)).await;
        assert!(stuck.is_err());
        connection.close(Goodbye::TryAgain);
        assert_eq!(reading.read(&mut [0; 8]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn who_goes_on_talking_hears_the_code_all_the_same() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let theirs = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (ours, _) = listener.accept().await.unwrap();
        let connections = Connections::default();
        let (connection, open) = connections.open();
        let (mut reading, mut writing) = tokio::io::split(Farewell::new(ours, open));
        writing.write_all(&frame(1)).await.unwrap();
        connection.close(Goodbye::Restart);
        let server = tokio::spawn(async move {
            let heard = reading.read(&mut [0; 8]).await.unwrap();
            drop((reading, writing));
            heard
        });
        let (mut hears, mut says) = theirs.into_split();
        for _ in 0..3 {
            sleep(PATIENCE / 20).await;
            says.write_all(b"still here").await.expect("nobody has closed yet");
        }
        let mut heard = Vec::new();
        hears.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, [frame(1), vec![0x88, 2, 0x03, 0xf4]].concat());
        drop(says);
        assert_eq!(server.await.unwrap(), 0);
        connections.empty().await;
    }
}
