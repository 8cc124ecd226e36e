//! The deployment as values: facts go in, a printable plan comes out, one loop runs it.
//!
//! This crate does no IO. Whatever touches the world stands behind four doors: [`engine::effects::Effects`],
//! [`engine::platform::Platform`], [`engine::ledger::Ledger`] and [`engine::clock::Clock`].

pub mod engine;
pub mod environment;
pub mod observed;
pub mod plan;
pub mod release;
