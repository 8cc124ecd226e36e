//! The API read as a list: one module per resource, each a list of its own. Adding a resource is one
//! line here and one file below.

mod admin;
mod auth;
mod config;
mod health;
pub(crate) mod openapi;
mod page;
mod scheduled_tasks;

use crate::policy::Routes;

/// Every route of the server.
pub(crate) fn all() -> Routes {
    Routes::new()
        .and(auth::routes())
        .and(health::routes())
        .and(scheduled_tasks::routes())
        .and(admin::routes())
        .and(config::routes())
        .and(openapi::routes())
        .and(page::routes())
}
