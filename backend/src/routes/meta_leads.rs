//! `/crm/meta/leads…`: leads that came through Meta (`lead_source` META_ADS), test and merged ones left
//! out. Everybody of the tenant who works with leads sees all of them: they are taken from one queue.

mod assign;
mod export;
mod list;
mod stats;
mod status;

use utoipa_axum::routes;

use crate::policy::{Policy, Role, Routes};

/// Who works with leads.
const READERS: &[Role] = &[Role::Ceo, Role::Setter, Role::Closer, Role::Secretary];

/// Who changes them.
const WRITERS: &[Role] = &[Role::Ceo, Role::Setter, Role::Closer];

/// Routes of this resource.
pub(super) fn routes() -> Routes {
    Routes::new()
        .with(Policy::Roles(READERS), routes!(list::list))
        .with(Policy::Roles(WRITERS), routes!(export::export))
        .with(Policy::Roles(WRITERS), routes!(assign::assign))
        .with(Policy::Roles(WRITERS), routes!(status::status))
}
