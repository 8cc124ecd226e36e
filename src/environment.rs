//! An environment as its files describe it. Reading happens in `load`; everything else is data.

pub mod document;
pub mod entries;
mod file;
mod fingerprint;
pub mod generated;
pub mod given;
mod hosting;
pub mod keys;
pub mod load;
pub mod secrets;
pub mod secrets_file;
pub mod tables;
mod weakness;

pub use load::{LoadedEnvironment, list};
