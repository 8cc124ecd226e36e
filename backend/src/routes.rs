//! The API read as a list: one module per resource, each a list of its own. Adding a resource is one
//! line here and one file below.

mod admin;
mod auth;
mod config;
mod conversations;
mod health;
pub(crate) mod leads;
mod meta_intake;
mod meta_leads;
mod meta_pages;
mod meta_webhook;
mod notifications;
pub(crate) mod openapi;
mod page;
mod scheduled_tasks;
mod sellers;
mod socket;

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
        .and(meta_pages::routes())
        .and(meta_intake::routes())
        .and(meta_webhook::routes())
        .and(leads::routes())
        .and(conversations::routes())
        .and(socket::routes())
        .and(config::routes())
        .and(openapi::routes())
        .and(page::routes())
}
