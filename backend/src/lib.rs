//! Placeholder.

pub mod password;
pub mod seed;
