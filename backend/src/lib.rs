//! A CRM for small sales teams, as a library: [`app`] gives an [`axum::Router`] over an [`AppState`].
//!
//! # The application
//!
//! ```no_run
//! use crm_backend::settings::{Settings, Source};
//! use crm_backend::{AppState, Stage, app};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let settings = Settings::read(Source::from_pairs([
//!     ("POSTGRES_DSN", "postgresql://crm_app@127.0.0.1/crm"),
//!     ("JWT_SECRET", "a-secret-of-forty-characters-at-the-least"),
//! ]))?;
//! let state = AppState::new(settings);
//! let router = app(state.clone());
//! // Readiness and jobs go by this; `serve` does it for you.
//! state.lifecycle().advance(Stage::Serving);
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8000").await?;
//! // Who fails to log in is counted by address, so the router has to know it.
//! axum::serve(listener, router.into_make_service_with_connect_info::<std::net::SocketAddr>()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Nothing is connected until the first request: a server starts without its database and is well when that comes. The
//! schema is brought by the migrations beside this crate; they need the roles of `migrations/provision/roles.sql`.
//!
//! # The state
//!
//! [`AppState`] is what every handler shares: settings, the door to Postgres ([`Database`]), signing keys, throttles, the
//! sockets, where the server is in its life ([`Lifecycle`]). It is cheap to clone. [`AppState::over`] takes a pool of
//! your own ([`Database::over`]).
//!
//! # Routes and policies
//!
//! A route is added together with who may call it ([`policy::Policy`]); there is no way to add one without. Router,
//! permission table and API document come from this one list. [`app_with`] takes routes of your own:
//!
//! ```
//! use axum::Json;
//! use crm_backend::policy::{Policy, Role, Routes};
//! use crm_backend::{ApiError, Tenant};
//! use utoipa_axum::routes;
//!
//! /// Leads by the letter their names begin with.
//! #[utoipa::path(get, path = "/own/letters", responses((status = OK, body = Vec<String>)))]
//! async fn letters(mut tenant: Tenant) -> Result<Json<Vec<String>>, ApiError> {
//!     // Row-level security lets through what is the caller's tenant's, and nothing else.
//!     let sql = "SELECT DISTINCT upper(left(first_name, 1)) FROM leads ORDER BY 1";
//!     Ok(Json(sqlx::query_scalar(sql).fetch_all(tenant.db()).await?))
//! }
//!
//! let own = Routes::new().with(Policy::Roles(&[Role::Ceo]), routes!(letters));
//! # let _ = own;
//! ```
//!
//! A handler that asks for a [`Tenant`] gets the caller and one transaction inside their tenant, opened by the policy
//! layer and committed when the answer is no error. `GET` is `READ ONLY`. [`ApiError`] is the one shape of every refusal.
//!
//! # Jobs
//!
//! What the server does by itself is a [`jobs::engine::Job`]; [`jobs::engine::Engine`] runs them on any number of
//! replicas, each planned run once. [`jobs::of`] names the CRM's own; give it [`AppState::database`].
//!
//! # Around it
//!
//! [`serve`] is the server: sockets handed over by a supervisor, standby, drain. [`seed`] fills a database with
//! believable data, [`simulator`] stands in for Meta, [`command`] is the command line of the binary.

mod app;
mod assignment;
mod audit;
mod auth;
pub mod command;
mod conversations;
mod csv;
mod database;
mod envelope;
mod error;
mod extract;
#[cfg(any(feature = "faults", test))]
#[cfg_attr(not(feature = "faults"), expect(dead_code, reason = "its unit tests run without it too"))]
mod faults;
pub mod jobs;
mod keyset;
mod leads;
mod lifecycle;
mod meta;
mod meter;
mod metrics;
mod notifications;
mod outbox;
pub mod password;
mod phone;
pub mod policy;
mod realtime;
mod redis_door;
mod response_target;
mod routes;
mod schema_versions;
pub mod seed;
pub mod serve;
pub mod settings;
pub mod simulator;
mod state;
mod telemetry;
mod tenant;
mod wall_clock;
mod working_hours;

pub use app::{app, app_with, document, permissions};
pub use auth::Caller;
pub use database::{Database, Metered};
pub use error::ApiError;
pub use lifecycle::{Lifecycle, Stage};
pub use state::AppState;
pub use tenant::Tenant;
