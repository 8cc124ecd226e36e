//! A stand-in for Meta, for tests and demonstrations: people send lead forms, the Graph API answers about them, signed
//! webhooks tell of them repeated, late, out of order or not at all. Everything comes from a seed. A ledger keeps what
//! was handed out, so that what somebody stored can be compared with it. Knows nothing of the CRM.

mod controls;
mod graph;
mod people;
mod telling;
mod world;

use std::net::SocketAddr;
use std::sync::Arc;

use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;

pub use people::{LedgerPerson, LedgerSubmission};
pub use telling::{Manner, Told};
pub use world::{Ledger, Mode};

use world::World;

/// What a simulation is made of.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Same seed, same people and same webhooks.
    pub seed: u64,
    /// Number of the one page.
    pub page_id: String,
    /// Forms of the page.
    pub forms: usize,
    /// Number of the application.
    pub app_id: String,
    /// Signs webhooks, and proves calls.
    pub app_secret: SecretString,
    /// The page's token.
    pub token: String,
    /// Of 100 calls of the Graph API, how many fail with a server error or a rate limit.
    pub failing_percent: u32,
}

impl Options {
    /// A small page under `app_secret`, on a free port of this machine.
    #[must_use]
    pub fn new(seed: u64, app_secret: SecretString) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            seed,
            page_id: "100000000000001".to_owned(),
            forms: 3,
            app_id: "900000000000001".to_owned(),
            app_secret,
            token: format!("SIMULATED-PAGE-TOKEN-{seed}"),
            failing_percent: 0,
        }
    }
}

/// A running simulation; it ends when it is dropped.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    world: Arc<World>,
    server: JoinHandle<()>,
}

impl Simulator {
    /// Listens and answers from now on.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn start(options: Options) -> std::io::Result<Self> {
        let listener = TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;
        let world = Arc::new(World::new(options));
        let router = graph::routes().merge(controls::routes()).with_state(Arc::clone(&world));
        let server = tokio::spawn(async move {
            // Ends with the process or with the simulation.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, world, server })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its Graph API, for `META_GRAPH_URL`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it was made with.
    #[must_use]
    pub fn options(&self) -> &Options {
        self.world.options()
    }

    /// People send `count` forms now; gives their ids.
    pub fn send_forms(&self, count: usize) -> Vec<String> {
        self.world.send_forms(count)
    }

    /// Tells `webhook` of these leads; returns when everything is acknowledged or given up.
    pub async fn tell(&self, webhook: &Url, leads: &[String], manner: Manner) -> Told {
        telling::tell(&self.world, webhook, leads, manner).await
    }

    /// How it answers from now on.
    pub fn behave(&self, mode: Mode) {
        self.world.behave(mode);
    }

    /// `count` new forms are sent each time a page of a list of leads was answered.
    pub fn grow_while_read(&self, count: usize) {
        self.world.grow_while_read(count);
    }

    /// What was handed out so far.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.world.ledger()
    }

    /// Answers until the process ends.
    pub async fn serve(mut self) {
        let _ = (&mut self.server).await;
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.server.abort();
    }
}
