//! The API read as a list: one module per resource, each a list of its own. Adding a resource is one
//! line here and one file below.

mod admin;
mod auth;
mod config;
mod health;
mod meta_leads;
mod notifications;
pub(crate) mod openapi;
mod page;
mod scheduled_tasks;
mod sellers;

use crate::policy::Routes;

/// Every route of the server.
pub(crate) fn all() -> Routes {
    Routes::new()
        .and(auth::routes())
        .and(health::routes())
        .and(scheduled_tasks::routes())
        .and(admin::routes())
        .and(notifications::routes())
        .and(sellers::routes())
        .and(meta_leads::routes())
        .and(config::routes())
        .and(openapi::routes())
        .and(page::routes())
}
