//! What every handler shares. Cheap to clone; holds no request.

use std::sync::{Arc, OnceLock};

use axum::body::Bytes;
use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;
use utoipa::openapi::OpenApi;

use crate::auth::Tokens;
use crate::database::Database;
use crate::settings::Settings;

/// Shared state of one server.
#[derive(Debug, Clone)]
pub struct AppState(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: Settings,
    database: Database,
    tokens: Tokens,
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
        Self(Arc::new(Inner { settings, database, tokens, document: OnceLock::new() }))
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
