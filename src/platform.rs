//! The real platforms.

pub mod process;
pub mod swarm;
