//! The real platforms, and the one of them that an environment has.

mod either;
pub mod process;
pub mod swarm;
mod vitals;

pub use either::AnyPlatform;
pub use vitals::{Death, Resident};
