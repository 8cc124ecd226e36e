//! What stories stand on: a machine of their own and a client that never retries.

pub(crate) mod client;
pub(crate) mod engine;
pub(crate) mod machine;
pub(crate) mod raw;
pub(crate) mod registry;
pub(crate) mod sockets;
pub(crate) mod ssh;
pub(crate) mod staging;
pub(crate) mod terminal;
pub(crate) mod webhook;
