//! Fakes, contract suites and generic tests for plans. Behind feature `testing`, never part of a release.

pub mod cancel;
pub mod clock;
pub mod contract;
pub mod fault;
pub mod injection;
pub mod ledger;
pub mod machine;
pub mod observed;
pub mod platform;
pub mod scene;
pub mod simulation;
pub mod situation;
pub mod world;
