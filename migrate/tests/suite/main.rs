//! The promises of `migrate`, each on a database of its own on a real server.
#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected must fail on the spot")]

mod crash;
mod fence;
mod files;
mod harness;
mod lifecycle;
mod locks;
mod loss;
mod proxy;
mod refusals;
mod revert;
mod silence;
mod stepwise;
mod timeouts;
