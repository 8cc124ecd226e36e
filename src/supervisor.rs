//! The supervisor.
pub(crate) mod lock;
pub(crate) mod logs;
pub(crate) mod process;
pub(crate) mod spawn;
