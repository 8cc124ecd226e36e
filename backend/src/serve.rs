//! The server around the application: sockets, the stages of its life, and the drain. The promise is
//! that no request fails while releases take turns on one socket. Knows no route.

mod accept;
mod connection;
mod control;
mod framing;
mod observed;
mod scope;
pub mod signals;
pub mod sockets;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::app::app;
use crate::lifecycle::{Lifecycle, Stage};
use crate::state::AppState;
use crate::telemetry;
use scope::Scope;
use signals::Signals;
use sockets::{Public, Sockets};

/// How much longer than one request the last connections may take after the drain.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long the private socket's last answers and the pool's end may take.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long the sockets may take to hear goodbye.
const SOCKETS_FAREWELL: Duration = Duration::from_secs(2);

/// Why the server could not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A socket could not be taken over by the runtime.
    #[error("the `{name}` socket cannot be used")]
    Socket {
        /// Which one.
        name: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A second signal asked for the end at once.
    #[error("stopped at once by a second signal")]
    Interrupted,
}

/// What every connection needs.
#[derive(Clone)]
struct Shared {
    router: Router,
    lifecycle: Lifecycle,
}

/// Serves until told to drain, then drains.
///
/// With a control socket it begins in standby and waits for `serve`; else it serves at once.
///
/// # Errors
/// [`ServeError`]; a finished drain is none.
pub async fn serve(state: AppState, sockets: Sockets, signals: Signals) -> Result<(), ServeError> {
    let lifecycle = state.lifecycle().clone();
    let server = Server::start(state, sockets)?;
    tokio::select! {
        () = server.live() => Ok(()),
        () = signals.until_second(lifecycle) => Err(ServeError::Interrupted),
    }
}

/// A running server.
struct Server {
    state: AppState,
    public: Scope,
    private: Scope,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    /// Ends when no new connection comes any more.
    accepting: tokio::task::JoinHandle<()>,
    jobs: tokio::task::JoinHandle<()>,
    over: CancellationToken,
}

impl Server {
    fn start(state: AppState, sockets: Sockets) -> Result<Self, ServeError> {
        let shared = Shared { router: app(state.clone()), lifecycle: state.lifecycle().clone() };
        let (public, private) = (Scope::closing_politely(), Scope::quiet());
        let over = CancellationToken::new();
        let mut tasks = Vec::new();
        let first = if sockets.control.is_some() { Stage::Standby } else { Stage::Serving };
        if let Some(listener) = sockets.private {
            let listener = usable("private", tokio::net::UnixListener::from_std(listener))?;
            let accepting = accept::private(listener, shared.clone(), private.clone());
            tasks.push(tokio::spawn(until(over.clone(), accepting)));
        }
        if let Some(listener) = sockets.control {
            let listener = usable("control", tokio::net::UnixListener::from_std(listener))?;
            let handed = usable("public", sockets.public.duplicate())?;
            let control = control::Control::new(state.clone(), handed);
            tasks.push(tokio::spawn(until(over.clone(), control.listen(listener))));
        }
        tasks.push(tokio::spawn(until(over.clone(), begin(state.clone(), first))));
        if let Some(address) = state.settings().metrics_bind {
            tasks.push(tokio::spawn(until(over.clone(), telemetry::listen(state.clone(), address))));
        }
        let accepting = Self::accept(&state, sockets.public, shared, public.clone())?;
        let jobs = Self::jobs(&state);
        let (realtime, lifecycle) = (state.realtime().clone(), state.lifecycle().clone());
        tasks.push(tokio::spawn(until(over.clone(), async move {
            // Nobody can connect before.
            lifecycle.reached(Stage::Serving).await;
            realtime.run().await;
        })));
        Ok(Self { state, public, private, tasks, accepting, jobs, over })
    }

    fn accept(
        state: &AppState,
        public: Public,
        shared: Shared,
        scope: Scope,
    ) -> Result<tokio::task::JoinHandle<()>, ServeError> {
        let drain = state.settings().drain;
        // Who else holds the socket answers new connections during the drain; if nobody does, we do.
        let (listener, stay) = match public {
            Public::HandedOver(listener) => (listener, Duration::ZERO),
            Public::Own(listener) => (listener, drain),
        };
        let listener = usable("public", tokio::net::TcpListener::from_std(listener))?;
        Ok(tokio::spawn(accept::public(listener, shared, scope, stay)))
    }

    fn jobs(state: &AppState) -> tokio::task::JoinHandle<()> {
        if !state.scheduler().is_enabled() {
            return tokio::spawn(async {});
        }
        let engine = state.scheduler().engine(state.database(), &state.settings().release);
        tokio::spawn(engine.work(state.lifecycle().clone(), state.settings().drain))
    }

    /// From the start to the end of the drain.
    async fn live(self) {
        self.state.lifecycle().reached(Stage::Draining).await;
        let settings = self.state.settings();
        tracing::info!(seconds = settings.drain.as_secs(), "draining");
        let drained = Instant::now() + settings.drain;
        let _ = self.accepting.await;
        // A server that everybody has left needs no patience.
        let _ = tokio::time::timeout_at(drained, self.public.empty()).await;
        // Sockets have no last request; they hear events until they are sent to whoever serves now.
        self.state.realtime().close(SOCKETS_FAREWELL).await;
        self.public.close();
        let last = settings.request_timeout + LAST_WORDS;
        if tokio::time::timeout(last, self.public.empty()).await.is_err() {
            tracing::warn!("connections were cut at the end of the drain");
        }
        // The last of them may have become sockets.
        self.state.realtime().close(FAREWELL).await;
        let _ = tokio::time::timeout(FAREWELL, self.jobs).await;
        self.private.close();
        let _ = tokio::time::timeout(FAREWELL, self.private.empty()).await;
        self.over.cancel();
        for task in self.tasks {
            let _ = task.await;
        }
        let _ = tokio::time::timeout(FAREWELL, self.state.database().pool().close()).await;
        tracing::info!("drained");
    }
}

/// The first stage in which requests are welcome, once there are connections for them.
async fn begin(state: AppState, first: Stage) {
    state.database().warm().await;
    state.lifecycle().advance(first);
    tracing::info!(stage = state.lifecycle().stage().name(), release = state.settings().release, "started");
}

fn usable<T>(name: &'static str, socket: std::io::Result<T>) -> Result<T, ServeError> {
    socket.map_err(|source| ServeError::Socket { name, source })
}

async fn until(over: CancellationToken, work: impl Future<Output = ()>) {
    let _ = over.run_until_cancelled(work).await;
}

/// Shared by the tasks of one kind of connection.
type Watched = Arc<observed::Conversation>;
