//! Tests of the deployment as values, one module per concern.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as expected")]

mod contract;
mod contract_stage;
mod endings;
mod facts;
mod fence;
mod foreign;
mod generic;
mod lease;
mod leftovers;
mod plans;
mod replay;
mod simulation;
mod undo;
mod way_back;
