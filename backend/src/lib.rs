//! The CRM as a library: [`app`] gives a router over an [`AppState`]. The server around it is `serve`;
//! the binary only parses its command line and calls `command`.

mod app;
mod auth;
pub mod command;
mod database;
mod envelope;
mod error;
mod extract;
#[cfg(any(feature = "faults", test))]
#[cfg_attr(not(feature = "faults"), expect(dead_code, reason = "its unit tests run without it too"))]
mod faults;
pub mod jobs;
mod lifecycle;
mod meter;
pub mod password;
pub mod policy;
mod redis_door;
mod routes;
mod schema_versions;
pub mod seed;
pub mod serve;
pub mod settings;
mod state;
mod tenant;

pub use app::{app, document, permissions};
pub use database::Database;
pub use lifecycle::{Lifecycle, Stage};
pub use state::AppState;
