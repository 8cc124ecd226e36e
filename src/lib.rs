//! crmctl as a library: the command line around the crates that do the work.

pub mod environment;
pub mod error;
