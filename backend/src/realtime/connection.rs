//! The open connections of this server: who they are, and how each is told to leave.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use chrono::{DateTime, Utc};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::auth::Caller;

/// Why the server ends a connection: a close code (RFC 6455, 7.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goodbye {
    /// This release ends; the next one is there already.
    Restart,
    /// Too slow, or something that is needed is away.
    TryAgain,
    /// The token has ended, or the account, or its session.
    Unauthorized,
}

impl Goodbye {
    /// The code of the close frame.
    pub(super) const fn code(self) -> u16 {
        match self {
            Self::Restart => 1012,
            Self::TryAgain => 1013,
            // 4000 to 4999 are for applications.
            Self::Unauthorized => 4401,
        }
    }
}

/// Who speaks over a connection, and until when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Person {
    pub(super) caller: Caller,
    pub(super) expires_at: DateTime<Utc>,
}

/// One open connection.
#[derive(Debug)]
pub(super) struct Connection {
    person: OnceLock<Person>,
    code: AtomicU16,
    leaving: CancellationToken,
    gone: CancellationToken,
}

impl Connection {
    /// Who it is; none before the token was shown.
    pub(super) fn person(&self) -> Option<&Person> {
        self.person.get()
    }

    /// Says who it is; false when it was said before, as somebody else.
    pub(super) fn is(&self, person: Person) -> bool {
        let known = self.person.get_or_init(|| person);
        known.caller == person.caller
    }

    /// Ends it; the first reason counts.
    pub(super) fn close(&self, goodbye: Goodbye) {
        let _ = self.code.compare_exchange(0, goodbye.code(), Ordering::Relaxed, Ordering::Relaxed);
        self.leaving.cancel();
    }

    /// The code to close with.
    pub(super) fn code(&self) -> u16 {
        self.code.load(Ordering::Relaxed)
    }

    /// Cancelled when it has to leave.
    pub(super) fn leaving(&self) -> &CancellationToken {
        &self.leaving
    }

    /// Waits until it is closed.
    pub(super) async fn gone(&self) {
        self.gone.cancelled().await;
    }
}

/// All open connections.
#[derive(Debug, Clone, Default)]
pub(super) struct Connections(Arc<Registry>);

#[derive(Debug)]
struct Registry {
    open: Mutex<HashMap<u64, Arc<Connection>>>,
    /// What everybody is told who still comes.
    over: OnceLock<Goodbye>,
    count: watch::Sender<usize>,
    next: AtomicU64,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            open: Mutex::default(),
            over: OnceLock::new(),
            count: watch::Sender::new(0),
            next: AtomicU64::new(0),
        }
    }
}

impl Registry {
    fn change(&self, change: impl FnOnce(&mut HashMap<u64, Arc<Connection>>)) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut open);
        self.count.send_replace(open.len());
    }
}

impl Connections {
    /// A new connection, open until what is returned with it is dropped.
    pub(super) fn open(&self) -> (Arc<Connection>, Open) {
        let connection = Arc::new(Connection {
            person: OnceLock::new(),
            code: AtomicU16::new(0),
            leaving: CancellationToken::new(),
            gone: CancellationToken::new(),
        });
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        self.0.change(|open| drop(open.insert(id, Arc::clone(&connection))));
        // Looked at after it was put in: whoever ends all of them finds it there, or is found here.
        if let Some(goodbye) = self.0.over.get() {
            connection.close(*goodbye);
        }
        let open = Open { id, connection: Arc::clone(&connection), registry: Arc::clone(&self.0) };
        (connection, open)
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        *self.0.count.borrow()
    }

    /// Those there are now.
    pub(super) fn all(&self) -> Vec<Arc<Connection>> {
        let open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.values().map(Arc::clone).collect()
    }

    /// Ends every one, and those that still come.
    pub(super) fn close_all(&self, goodbye: Goodbye) {
        let _ = self.0.over.set(goodbye);
        self.all().iter().for_each(|connection| connection.close(goodbye));
    }

    /// Waits until there are none.
    pub(super) async fn empty(&self) {
        let mut count = self.0.count.subscribe();
        // The sender lives in `self`, so this ends only with the count.
        let _ = count.wait_for(|count| *count == 0).await;
    }
}

/// Held by the stream of a connection.
#[derive(Debug)]
pub(super) struct Open {
    id: u64,
    connection: Arc<Connection>,
    registry: Arc<Registry>,
}

impl Open {
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.connection.gone.cancel();
        self.registry.change(|open| drop(open.remove(&self.id)));
    }
}
