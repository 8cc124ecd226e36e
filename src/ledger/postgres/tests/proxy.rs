//! A TCP proxy before the server that loses what a test tells it to: one packet of a client, one answer, or everything.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::Shared;

/// What happens to the packet that is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ledger) enum Loss {
    /// The connection breaks before it reaches the server.
    Packet,
    /// It reaches the server, and the connection breaks before the answer.
    Answer,
    /// It reaches the server, and nothing comes through this connection any more.
    Silence,
}

/// Lives as long as this value; its end closes every connection.
pub(in crate::ledger) struct Proxy {
    pub(in crate::ledger) port: u16,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct State {
    /// What is lost once a client sends these bytes.
    trigger: Mutex<Option<(&'static [u8], Loss)>>,
    /// Packets that clients have sent, and the one at which the client is killed.
    sent: AtomicUsize,
    fatal: Mutex<Option<(usize, bool)>>,
    struck: Notify,
    /// Nobody is let in, and who is in is thrown out.
    closed: AtomicBool,
    closing: Notify,
}

impl Proxy {
    pub(in crate::ledger) async fn before(shared: &Shared) -> Self {
        let server = format!("{}:{}", shared.options.get_host(), shared.options.get_port());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (state, mut tasks) = (Arc::new(State::default()), JoinSet::new());
        let shared = Arc::clone(&state);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                if !shared.closed.load(Ordering::SeqCst) {
                    connections.spawn(serve(client, server.clone(), Arc::clone(&shared)));
                }
            }
        });
        Self { port, state, _tasks: tasks }
    }

    /// The next packet with `bytes` in it meets this.
    pub(in crate::ledger) fn lose(&self, bytes: &'static [u8], loss: Loss) {
        *self.state.trigger.lock().unwrap() = Some((bytes, loss));
    }

    /// The packet waited for has come.
    pub(in crate::ledger) fn has_lost(&self) -> bool {
        self.state.trigger.lock().unwrap().is_none()
    }

    /// The server is away: connections break and new ones are not answered.
    pub(in crate::ledger) fn close(&self) {
        self.state.closed.store(true, Ordering::SeqCst);
        self.state.closing.notify_waiters();
    }

    pub(in crate::ledger) fn open(&self) {
        self.state.closed.store(false, Ordering::SeqCst);
    }

    /// Drives `client` until it has sent its `nth` packet from here, which reaches the server or not, and drops it there
    /// as a killed process would be. Its answer when it was through before.
    pub(in crate::ledger) async fn kill_at<T>(
        &self,
        nth: usize,
        reaches: bool,
        client: impl Future<Output = T>,
    ) -> Option<T> {
        *self.state.fatal.lock().unwrap() = Some((self.state.sent.load(Ordering::SeqCst) + nth, reaches));
        let answer = tokio::select! {
            biased;
            () = self.state.struck.notified() => None,
            answer = client => Some(answer),
        };
        *self.state.fatal.lock().unwrap() = None;
        answer
    }
}

async fn serve(client: TcpStream, server: String, state: Arc<State>) {
    let server = TcpStream::connect(server).await.unwrap();
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let lost = tokio::select! {
        loss = ask(&mut from_client, &mut to_server, &state) => loss,
        _ = tokio::io::copy(&mut from_server, &mut to_client) => None,
        () = state.closing.notified() => None,
    };
    if lost == Some(Loss::Silence) {
        // Both ends stay open.
        std::future::pending().await
    }
}

/// Passes on what the client sends, up to what is lost.
async fn ask(from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf, state: &State) -> Option<Loss> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let Ok(length @ 1..) = from.read(&mut buffer).await else { return None };
        let packet = &buffer[..length];
        let nth = state.sent.fetch_add(1, Ordering::SeqCst) + 1;
        let fatal = state.fatal.lock().unwrap().take_if(|(fatal, _)| nth >= *fatal);
        if let Some((_, reaches)) = fatal {
            if reaches {
                let _ = to.write_all(packet).await;
            }
            state.struck.notify_one();
            return None;
        }
        let hit = |bytes: &[u8]| packet.windows(bytes.len()).any(|window| window == bytes);
        let loss = state.trigger.lock().unwrap().take_if(|(bytes, _)| hit(bytes)).map(|(_, loss)| loss);
        if loss == Some(Loss::Packet) || to.write_all(packet).await.is_err() || loss.is_some() {
            return loss;
        }
    }
}
