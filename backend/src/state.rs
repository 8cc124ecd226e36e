//! What every handler shares. Cheap to clone; holds no request.

use std::sync::{Arc, OnceLock};

use axum::body::Bytes;
use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;
use utoipa::openapi::OpenApi;

use crate::auth::Tokens;
use crate::auth::passwords::Passwords;
use crate::auth::throttle::Throttle;
use crate::database::Database;
use crate::jobs::scheduler::Scheduler;
use crate::lifecycle::Lifecycle;
use crate::redis_door::Redis;
use crate::settings::Settings;

/// Shared state of one server.
#[derive(Debug, Clone)]
pub struct AppState(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: Settings,
    database: Database,
    redis: Option<Arc<Redis>>,
    tokens: Tokens,
    throttle: Throttle,
    passwords: Passwords,
    scheduler: Scheduler,
    lifecycle: Lifecycle,
    document: OnceLock<Bytes>,
}

impl AppState {
    /// State over a lazy pool: nothing is connected, nothing is asked of the database.
    ///
    /// Must be called inside a tokio runtime.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let database = Database::lazy(&settings);
        let tokens = Tokens::new(&settings);
        let redis = settings.redis.as_ref().and_then(Redis::lazy).map(Arc::new);
        let throttle = Throttle::new(settings.throttle, redis.clone());
        Self(Arc::new(Inner {
            scheduler: Scheduler::new(settings.features.scheduled_tasks),
            lifecycle: Lifecycle::default(),
            passwords: Passwords::new(),
            document: OnceLock::new(),
            settings,
            database,
            redis,
            tokens,
            throttle,
        }))
    }

    /// The settings it was made with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The door to Postgres.
    pub(crate) fn database(&self) -> &Database {
        &self.0.database
    }

    /// Where the server is in its life; `serve` moves it on.
    #[must_use]
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.0.lifecycle
    }

    pub(crate) fn scheduler(&self) -> &Scheduler {
        &self.0.scheduler
    }

    /// The door to Redis, when there is one.
    pub(crate) fn redis(&self) -> Option<&Redis> {
        self.0.redis.as_deref()
    }

    pub(crate) fn throttle(&self) -> &Throttle {
        &self.0.throttle
    }

    pub(crate) fn passwords(&self) -> &Passwords {
        &self.0.passwords
    }

    /// Keeps the API document for its route.
    pub(crate) fn publish_document(&self, document: &OpenApi) {
        let json = serde_json::to_vec(document).expect("a document made of plain values always serialises");
        self.0.document.get_or_init(|| json.into());
    }

    /// The API document as JSON; empty before `app` has read it off the routes.
    pub(crate) fn document(&self) -> Bytes {
        self.0.document.get().cloned().unwrap_or_default()
    }

    pub(crate) fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }

    /// Whether `token` is the one of other programs; takes the same time for every wrong one.
    pub(crate) fn is_machine_token(&self, token: &str) -> bool {
        let known = self.0.settings.machine_token.as_ref();
        known.is_some_and(|known| known.expose_secret().as_bytes().ct_eq(token.as_bytes()).into())
    }
}
