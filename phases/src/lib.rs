//! The deployment as values: facts go in, a printable plan comes out, one loop runs it.
//!
//! This crate does no IO. Whatever touches the world stands behind four doors: [`engine::effects::Effects`],
//! [`engine::platform::Platform`], [`engine::ledger::Ledger`] and [`engine::clock::Clock`].

//!
//! Two ways lead in: [`pipeline::plan`] turns what was read into a [`plan::Plan`], and
//! [`engine::run::Engine`] runs it. One file per phase says what that phase does.

pub mod build;
pub mod deploy;
pub mod drift;
pub mod engine;
pub mod environment;
pub mod migrate;
pub mod observed;
pub mod perf;
pub mod pipeline;
pub mod plan;
pub mod preflight;
pub mod release;
pub mod request;
pub mod rollback;
pub mod smoke;
#[cfg(feature = "testing")]
pub mod testing;
