//! The sockets of browsers, and what they hear: every committed row of the outbox that is for them, in order, once.
//! Speaks Socket.IO (protocol 5) over WebSocket to its stock client. The server alone puts a socket into rooms
//! (`user:{tenant}:{id}`, `tenant:{tenant}`); what a client sends is not listened to. Decides nothing: an event only
//! says that there is something to ask for, the database is the truth.

mod connection;
mod counts;
mod door;
mod farewell;
mod position;
mod session;
mod tail;

use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;
use socketioxide::extract::SocketRef;
use socketioxide::handler::ConnectHandler;
use socketioxide::service::SocketIoService;
use socketioxide::{SendError, SocketError, SocketIo};
use tokio::sync::RwLock;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::auth::Tokens;
use crate::database::Database;
use connection::{Connection, Connections, Goodbye};
use counts::Counts;
use position::Position;

/// Who has not said who they are by then is sent away.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Events that wait for one slow socket; beyond, it is sent away and comes back to ask for what it missed.
const WAITING_EVENTS: usize = 512;
/// Longest message from a client in bytes; the only one of use holds a token.
const LONGEST_MESSAGE: usize = 16 * 1024;
/// How long a socket waits for the first look at the outbox.
const FIRST_LOOK: Duration = Duration::from_secs(3);

/// The sockets of one server; all clones are one.
#[derive(Clone)]
pub(crate) struct Realtime(Arc<Hub>);

struct Hub {
    database: Database,
    tokens: Arc<Tokens>,
    connections: Connections,
    counts: Counts,
    progress: Progress,
    /// Up to where events were told here; none before the database was asked. Written while a batch is told and read
    /// while a socket enters, so that each event reaches it either among the missed or among the new.
    told: RwLock<Option<Position>>,
    /// Cancelled once `told` is some.
    begun: CancellationToken,
    io: SocketIo,
    service: SocketIoService<()>,
}

/// How the tail gets on.
#[derive(Debug, Default)]
struct Progress {
    events: AtomicU64,
    /// From the commit, nearly, to being told; of the last batch, its oldest row.
    lag_ms: AtomicU64,
}

impl Debug for Realtime {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "Realtime({} sockets)", self.0.connections.count())
    }
}

impl Realtime {
    /// No sockets yet, and nobody tells them anything before [`Self::run`].
    #[must_use]
    pub(crate) fn new(database: Database, tokens: Arc<Tokens>) -> Self {
        let (service, io) = SocketIo::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .max_buffer_size(WAITING_EVENTS)
            .ws_max_message_size(LONGEST_MESSAGE)
            .ws_max_frame_size(LONGEST_MESSAGE)
            .build_with_inner_svc(());
        let connections = Connections::default();
        let (counts, progress) = (Counts::default(), Progress::default());
        let (told, begun) = (RwLock::default(), CancellationToken::new());
        let hub = Arc::new(Hub { database, tokens, connections, counts, progress, told, begun, io, service });
        let (asked, entered) = (Arc::downgrade(&hub), Arc::downgrade(&hub));
        let enter = move |socket: SocketRef| session::enter(entered.clone(), socket);
        let admit = move |socket: SocketRef, auth| session::admit(asked.clone(), socket, auth);
        hub.io.ns("/", enter.with(admit));
        Self(hub)
    }

    /// How many sockets are open, those that have not said who they are among them.
    pub(crate) fn count(&self) -> usize {
        self.0.connections.count()
    }

    /// How many events were told here, and how old the last was then.
    pub(crate) fn told(&self) -> (u64, Duration) {
        let Progress { events, lag_ms } = &self.0.progress;
        (events.load(Ordering::Relaxed), Duration::from_millis(lag_ms.load(Ordering::Relaxed)))
    }

    /// Tells the sockets what is committed, and sends away whose token or account has ended. Never returns; to be
    /// dropped after [`Self::close`].
    pub(crate) async fn run(&self) {
        let hub = &*self.0;
        tokio::join!(tail::follow(hub), counts::keep_telling(hub), session::watch(hub));
    }

    /// Says goodbye to all (1012: the service restarts) and to those that still come, so that they come back to whoever
    /// serves then.
    pub(crate) async fn close(&self, patience: Duration) {
        self.0.connections.close_all(Goodbye::Restart);
        if tokio::time::timeout(patience, self.0.connections.empty()).await.is_err() {
            tracing::warn!(sockets = self.count(), "sockets were cut at the end of the drain");
        }
    }
}

impl Hub {
    /// Whether events are told here. A release that just began to serve is asked for sockets before its first look.
    async fn has_begun(&self) -> bool {
        tokio::time::timeout(FIRST_LOOK, self.begun.cancelled()).await.is_ok()
    }

    /// The sockets in `room`.
    fn room(&self, room: String) -> Vec<SocketRef> {
        self.io.within(room).sockets()
    }

    /// Sends `event`; a socket that cannot keep up is sent away, since it would miss something silently.
    fn send<T: Serialize>(socket: &SocketRef, event: &str, payload: &T) {
        match socket.emit(event, payload) {
            Err(SendError::Socket(SocketError::InternalChannelFull)) => {
                if let Some(connection) = connection_of(socket) {
                    connection.close(Goodbye::TryAgain);
                }
            }
            Err(SendError::Serialize(error)) => tracing::error!(%error, event, "an event cannot be sent"),
            // Closed: it asks again when it is back.
            Err(SendError::Socket(_)) | Ok(()) => {}
        }
    }
}

/// The connection that `socket` speaks over.
fn connection_of(socket: &SocketRef) -> Option<&Arc<Connection>> {
    socket.req_parts().extensions.get()
}

fn room_of_person(tenant_id: i32, person: Uuid) -> String {
    format!("user:{tenant_id}:{person}")
}

fn room_of_tenant(tenant_id: i32) -> String {
    format!("tenant:{tenant_id}")
}
