//! Conversations and what is said in them: a lead writes (`inbound`), a person answers (`reply`), a thread is closed
//! and opened again (`closing`). The order of messages in a conversation is the order they were stored in: whoever
//! writes holds the conversation's row. Knows no HTTP.

mod closing;
mod inbound;
mod reply;
mod scope;

pub(crate) use closing::{close, reopen};
pub(crate) use inbound::{Inbound, Received, receive};
pub(crate) use reply::{Reply, send};
pub(crate) use scope::{Locked, Scope};
