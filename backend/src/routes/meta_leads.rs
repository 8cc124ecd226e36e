//! `/crm/meta/leads…`: leads that came through Meta (`lead_source` META_ADS), test and merged ones left
//! out. Everybody of the tenant who works with leads sees all of them: they are taken from one queue.

mod cursor;
mod filter;
mod list;
mod queries;

use utoipa_axum::routes;

use crate::policy::{Policy, Role, Routes};

/// Who works with leads.
const READERS: &[Role] = &[Role::Ceo, Role::Setter, Role::Closer, Role::Secretary];

/// Routes of this resource.
pub(super) fn routes() -> Routes {
    Routes::new().with(Policy::Roles(READERS), routes!(list::list))
}
