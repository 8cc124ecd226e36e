//! The real platforms.

pub mod process;
