//! `/crm/leads…`: people, whatever door they came through. A vendedor sees the own ones and the queue; what is out of
//! scope looks like missing. The list of Meta leads asks the same questions (`filter`, `queries`).

mod bulk;
mod create;
pub(crate) mod cursor;
mod edit;
pub(crate) mod export;
pub(crate) mod filter;
mod get;
mod list;
mod merge;
mod person;
pub(crate) mod queries;
mod status;
mod timeline;

use utoipa_axum::routes;

pub(crate) use bulk::{BulkAssign, which};
pub(crate) use status::{NewStatus, StatusAnswer, set as set_status};

use crate::policy::{Policy, Role, Routes};

/// Who works with leads.
const READERS: &[Role] = &[Role::Ceo, Role::Setter, Role::Closer, Role::Secretary];
/// Who moves them.
const WRITERS: &[Role] = &[Role::Ceo, Role::Setter, Role::Closer];

/// Routes of this resource.
pub(super) fn routes() -> Routes {
    Routes::new()
        .with(Policy::Roles(READERS), routes!(list::list))
        .with(Policy::Roles(READERS), routes!(create::create))
        .with(Policy::Roles(READERS), routes!(get::get))
        .with(Policy::Roles(READERS), routes!(edit::edit))
        .with(Policy::Roles(WRITERS), routes!(status::status))
        .with(Policy::Roles(READERS), routes!(timeline::timeline))
        .with(Policy::Roles(WRITERS), routes!(export::export))
        .with(Policy::Roles(WRITERS), routes!(bulk::bulk))
        .with(Policy::Roles(WRITERS), routes!(merge::merge))
}
