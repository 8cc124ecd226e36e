//! A TCP proxy before the database that can fall silent: the sockets stay open and nothing comes through.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use migrate::Database;
use secrecy::SecretString;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::harness::World;

/// Lives as long as this value; its end closes every connection.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct State {
    connections: AtomicUsize,
    /// Connections with a smaller number are silent.
    silent_below: AtomicUsize,
    /// What makes everything silent once a client has sent it. It still reaches the server.
    trigger: Mutex<Option<(&'static [u8], After)>>,
    /// Things that clients have sent, on whatever connection.
    sent: AtomicUsize,
    /// The one of them at which the client is killed, and whether it still reaches the server.
    fatal: Mutex<Option<(usize, bool)>>,
    struck: Notify,
}

/// What comes after the trigger.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum After {
    Silence,
    HangUp,
}

impl Proxy {
    /// One before the database of `world`, and the way to it.
    pub(crate) async fn before(world: &World) -> (Self, Database) {
        let options = world.options();
        let proxy = Self::start(format!("{}:{}", options.get_host(), options.get_port())).await;
        let url = sqlx::ConnectOptions::to_url_lossy(&options.host("127.0.0.1").port(proxy.port));
        let database = Database::new(&SecretString::from(url.to_string()), "far").unwrap();
        (proxy, database)
    }

    /// Drives `client` until it has sent its `nth` thing, which reaches the server or not, and drops it there, as a
    /// killed process would be. Its answer when it was through before.
    pub(crate) async fn kill_at<T>(
        &self,
        nth: usize,
        reaches: bool,
        client: impl Future<Output = T>,
    ) -> Option<T> {
        *self.state.fatal.lock().unwrap() = Some((nth, reaches));
        tokio::select! {
            biased;
            () = self.state.struck.notified() => None,
            answer = client => Some(answer),
        }
    }

    pub(crate) async fn start(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        let mut tasks = JoinSet::new();
        let shared = Arc::clone(&state);
        tasks.spawn(async move {
            let mut pumps = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let number = shared.connections.fetch_add(1, Ordering::SeqCst);
                pumps.spawn(serve(client, server.clone(), number, Arc::clone(&shared)));
            }
        });
        Self { port, state, _tasks: tasks }
    }

    /// Nothing comes through any more, on no connection.
    pub(crate) fn silence_all(&self) {
        self.state.silent_below.store(usize::MAX, Ordering::SeqCst);
    }

    /// Nothing comes through on the connections there are; new ones work.
    pub(crate) fn silence_present(&self) {
        self.state.silent_below.store(self.state.connections.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// Once a client sends `bytes`, no answer comes back.
    pub(crate) fn when(&self, bytes: &'static [u8], after: After) {
        *self.state.trigger.lock().unwrap() = Some((bytes, after));
    }
}

impl State {
    /// Whether what was just sent is the client's last, and reaches the server.
    fn is_fatal(&self) -> Option<bool> {
        let nth = self.sent.fetch_add(1, Ordering::SeqCst) + 1;
        self.fatal
            .lock()
            .unwrap()
            .filter(|(fatal, _)| nth >= *fatal)
            .map(|(fatal, reaches)| reaches && nth == fatal)
    }

    fn is_silent(&self, number: usize) -> bool {
        number < self.silent_below.load(Ordering::SeqCst)
    }

    fn triggered(&self, sent: &[u8]) -> Option<After> {
        let mut trigger = self.trigger.lock().unwrap();
        let hit = |bytes: &[u8]| sent.windows(bytes.len()).any(|window| window == bytes);
        trigger.take_if(|(bytes, _)| hit(bytes)).map(|(_, after)| after)
    }
}

async fn serve(client: TcpStream, server: String, number: usize, state: Arc<State>) {
    let server = TcpStream::connect(server).await.unwrap();
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = pump(from_client, to_server, number, &state, true) => {}
        () = pump(from_server, to_client, number, &state, false) => {}
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    number: usize,
    state: &State,
    asks: bool,
) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let silent = |state: &State| state.is_silent(number);
        let length = match from.read(&mut buffer).await {
            Ok(length) if length > 0 => length,
            _ if silent(state) => std::future::pending().await,
            _ => return,
        };
        if silent(state) {
            continue;
        }
        if asks && let Some(reaches) = state.is_fatal() {
            if reaches {
                let _ = to.write_all(&buffer[..length]).await;
            }
            state.struck.notify_one();
            return;
        }
        let after = if asks { state.triggered(&buffer[..length]) } else { None };
        if after == Some(After::Silence) {
            state.silent_below.store(usize::MAX, Ordering::SeqCst);
        }
        if to.write_all(&buffer[..length]).await.is_err() || after == Some(After::HangUp) {
            return;
        }
    }
}
