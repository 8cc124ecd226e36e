//! `/crm/meta/pages`: which Facebook pages tell this tenant of leads. A token goes in and never comes out again.

mod connect;
mod list;
mod remove;

use utoipa_axum::routes;

use crate::policy::{Policy, Role, Routes};

/// Who connects pages.
const KEEPERS: Policy = Policy::Roles(&[Role::Ceo]);

/// Routes of this resource.
pub(super) fn routes() -> Routes {
    Routes::new().with(KEEPERS, routes!(list::list, connect::connect)).with(KEEPERS, routes!(remove::remove))
}
