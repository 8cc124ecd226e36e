//! The process platform on real programs: private PostgreSQL, supervisor, switches.

#![expect(clippy::unwrap_used, reason = "what surprises a test ends it")]

mod adoption;
mod configuration;
mod contract;
mod database;
mod down;
mod fence;
mod load;
mod logs;
mod machine;
mod postgres;
mod start;
mod succession;
mod switch;
mod versions;
