//! `/crm/conversations…` and `/chat`: threads with people, and the door through which channels bring messages. A
//! vendedor sees the own ones and the queue; what is out of scope looks like missing.

mod chat;
mod close;
mod get;
mod list;
mod messages;
mod queries;
mod read;
mod send;

use utoipa_axum::routes;

use crate::policy::{Policy, Role, Routes};

/// Who works with conversations.
const READERS: &[Role] = &[Role::Ceo, Role::Setter, Role::Closer, Role::Secretary];
/// Who answers.
const WRITERS: &[Role] = &[Role::Ceo, Role::Setter, Role::Closer];

/// Routes of this resource.
pub(super) fn routes() -> Routes {
    Routes::new()
        .with(Policy::Machine, routes!(chat::chat))
        .with(Policy::Roles(READERS), routes!(list::list))
        .with(Policy::Roles(READERS), routes!(get::get))
        .with(Policy::Roles(READERS), routes!(messages::messages))
        .with(Policy::Roles(WRITERS), routes!(send::send))
        .with(Policy::Roles(READERS), routes!(read::read))
        .with(Policy::Roles(WRITERS), routes!(close::close))
        .with(Policy::Roles(WRITERS), routes!(close::reopen))
}
