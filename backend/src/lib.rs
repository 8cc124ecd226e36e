//! The CRM as a library: [`app`] gives a router over an [`AppState`]. The server around it is `serve`;
//! the binary only parses its command line and calls `command`.

mod app;
mod auth;
mod database;
mod envelope;
mod error;
mod extract;
mod meter;
pub mod password;
pub mod policy;
mod routes;
pub mod seed;
pub mod settings;
mod state;
mod tenant;

pub use app::{app, document, permissions};
pub use state::AppState;
