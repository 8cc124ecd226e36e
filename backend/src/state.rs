//! What every handler shares. Cheap to clone; holds no request.

use std::sync::{Arc, OnceLock};

use axum::body::Bytes;
use axum::http::StatusCode;
use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;
use utoipa::openapi::OpenApi;

use crate::auth::Tokens;
use crate::auth::passwords::Passwords;
use crate::auth::throttle::Throttle;
use crate::database::Database;
use crate::error::ApiError;
use crate::jobs::scheduler::Scheduler;
use crate::lifecycle::Lifecycle;
use crate::meta::Meta;
use crate::realtime::Realtime;
use crate::redis_door::Redis;
use crate::settings::Settings;
use crate::telemetry::Telemetry;

/// Shared state of one server.
#[derive(Debug, Clone)]
pub struct AppState(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: Settings,
    database: Database,
    redis: Option<Arc<Redis>>,
    tokens: Arc<Tokens>,
    throttle: Throttle,
    passwords: Passwords,
    meta: Option<Meta>,
    scheduler: Scheduler,
    lifecycle: Lifecycle,
    realtime: Realtime,
    telemetry: Option<Telemetry>,
    document: OnceLock<Bytes>,
}

impl AppState {
    /// State over a lazy pool: nothing is connected, nothing is asked of the database.
    ///
    /// Must be called inside a tokio runtime.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let database = Database::lazy(&settings);
        Self::over(settings, database)
    }

    /// The same over a database door of your own, see [`Database::over`].
    ///
    /// Must be called inside a tokio runtime.
    #[must_use]
    pub fn over(settings: Settings, database: Database) -> Self {
        let database = database.keeping_figures(&settings);
        let tokens = Arc::new(Tokens::new(&settings));
        let redis = settings.redis.as_ref().and_then(Redis::lazy).map(Arc::new);
        let throttle = Throttle::new(settings.throttle, redis.clone());
        let meta = settings.meta.as_ref().map(Meta::new);
        Self(Arc::new(Inner {
            scheduler: Scheduler::new(settings.features.scheduled_tasks, meta.as_ref()),
            lifecycle: Lifecycle::default(),
            telemetry: settings.metrics_bind.and_then(|_| Telemetry::new().ok()),
            realtime: Realtime::new(database.clone(), Arc::clone(&tokens)),
            passwords: Passwords::new(),
            document: OnceLock::new(),
            settings,
            database,
            redis,
            meta,
            tokens,
            throttle,
        }))
    }

    /// The settings it was made with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The door to Postgres; jobs beside this application take it too, so that figures they change are not given out of date.
    #[must_use]
    pub fn database(&self) -> &Database {
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

    /// The figures of this server, when somebody reads them.
    pub(crate) fn telemetry(&self) -> Option<&Telemetry> {
        self.0.telemetry.as_ref()
    }

    /// The sockets of this server.
    pub(crate) fn realtime(&self) -> &Realtime {
        &self.0.realtime
    }

    /// The door to Redis, when there is one.
    pub(crate) fn redis(&self) -> Option<&Redis> {
        self.0.redis.as_deref()
    }

    /// The door to Meta.
    ///
    /// # Errors
    /// 503 `feature_unavailable` on a server without it.
    pub(crate) fn meta(&self) -> Result<&Meta, ApiError> {
        self.0.meta.as_ref().ok_or_else(|| {
            let message = "lead forms of Meta are not set up on this server";
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "feature_unavailable", message)
        })
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
