//! The API read as a list: one module per resource, each a list of its own. Adding a resource is one
//! line here and one file below.

mod health;
pub(crate) mod openapi;

use crate::policy::Routes;

/// Every route of the server.
pub(crate) fn all() -> Routes {
    Routes::new().and(health::routes()).and(openapi::routes())
}
