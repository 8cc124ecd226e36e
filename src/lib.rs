//! Placeholder.

pub mod platform;
pub mod state_directory;
pub mod supervisor;
